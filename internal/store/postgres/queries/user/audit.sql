-- Pages of the audit log, newest first: everything older than before, of which
-- low is the oldest id wanted. Each mailbox is a range of the index; a user's log is
-- what the newest of each are merged to. box narrows it to one of them; words, if
-- there are any, are the domains that are wanted.

-- name: AuditLines :many
SELECT m.id AS mailbox_id, m.n, a.id, a.domain, a.status, a.reason, a.size
FROM mailboxes AS m
CROSS JOIN LATERAL (
    SELECT l.id, l.domain, l.status, l.reason, l.size
    FROM audit AS l
    WHERE l.mailbox = m.n AND l.id < sqlc.arg(before) AND l.id >= sqlc.arg(low)
        AND (cardinality(sqlc.arg(words)::bigint[]) = 0 OR l.domain = ANY (sqlc.arg(words)::bigint[]))
        AND (sqlc.arg(status)::smallint = 0 OR l.status = sqlc.arg(status)::smallint)
    ORDER BY l.id DESC
    LIMIT sqlc.arg(most)) AS a
WHERE sqlc.narg(box)::uuid IS NULL OR m.id = sqlc.narg(box)::uuid
ORDER BY a.id DESC
LIMIT sqlc.arg(most);

-- For any status but imported, which has an index.
-- name: AuditOfStatus :many
SELECT m.id AS mailbox_id, m.n, a.id, a.domain, a.status, a.reason, a.size
FROM mailboxes AS m
CROSS JOIN LATERAL (
    SELECT l.id, l.domain, l.status, l.reason, l.size
    FROM audit AS l
    WHERE l.mailbox = m.n AND l.id < sqlc.arg(before) AND l.id >= sqlc.arg(low)
        AND (cardinality(sqlc.arg(words)::bigint[]) = 0 OR l.domain = ANY (sqlc.arg(words)::bigint[]))
        AND l.status = sqlc.arg(status)::smallint AND l.status <> 2
    ORDER BY l.id DESC
    LIMIT sqlc.arg(most)) AS a
WHERE sqlc.narg(box)::uuid IS NULL OR m.id = sqlc.narg(box)::uuid
ORDER BY a.id DESC
LIMIT sqlc.arg(most);

-- Where a look at so many lines of a mailbox ends: what no index finds is looked
-- for in steps.
-- name: StepOfLines :one
SELECT a.id
FROM mailboxes AS m
CROSS JOIN LATERAL (
    SELECT l.id
    FROM audit AS l
    WHERE l.mailbox = m.n AND l.id < sqlc.arg(before) AND l.id >= sqlc.arg(low)
    ORDER BY l.id DESC
    LIMIT 1 OFFSET sqlc.arg(lines)) AS a
WHERE sqlc.narg(box)::uuid IS NULL OR m.id = sqlc.narg(box)::uuid
ORDER BY a.id DESC
LIMIT 1;

-- name: Words :many
SELECT hash, word
FROM words
WHERE mailbox = sqlc.arg(mailbox) AND hash = ANY (sqlc.arg(hashes)::bigint[]);

-- name: AllWords :many
SELECT hash, word
FROM words
WHERE mailbox = $1;

-- name: DropWords :exec
DELETE FROM words
WHERE seen < $1;

-- name: MailboxNumbers :many
SELECT n, id
FROM mailboxes
ORDER BY n;

-- A range of ids is a range of time: only its lines are read.
-- name: Tally :many
SELECT mailbox, status, count(*) AS messages, sum(size)::bigint AS octets
FROM audit
WHERE mailbox = ANY (sqlc.arg(mailboxes)::integer[]) AND id >= sqlc.arg(low) AND id < sqlc.arg(before)
GROUP BY mailbox, status;

-- name: DropAudit :execrows
DELETE FROM audit
WHERE (mailbox, id) IN (
    SELECT a.mailbox, a.id
    FROM audit AS a
    WHERE a.mailbox = sqlc.arg(mailbox) AND a.id < sqlc.arg(before)
    ORDER BY a.id
    LIMIT sqlc.arg(most))
    AND id < sqlc.arg(before);

-- How the messages of each mailbox stand: those that are in Gmail are counted as
-- they come, the others are looked up.
-- name: Standing :many
SELECT m.id, 2::smallint AS state, t.messages, t.octets
FROM totals AS t
JOIN mailboxes AS m ON m.n = t.mailbox
UNION ALL
SELECT m.id, e.state, count(*) AS messages, 0::bigint AS octets
FROM entries AS e
JOIN mailboxes AS m ON m.n = e.mailbox
WHERE e.state <> 2
GROUP BY m.n, e.state;

-- The entry that a line is about, as it is now.
-- name: EntryOfLine :one
SELECT m.id AS mailbox_id, e.mailbox, e.pair, e.state, a.domain, a.size
FROM mailboxes AS m
JOIN audit AS a ON a.mailbox = m.n AND a.id = sqlc.arg(line)
JOIN entries AS e ON e.mailbox = a.mailbox AND e.pair = a.pair
FOR UPDATE OF e;

-- A failed entry has had one try at least. What stands above the tries (wanted)
-- stays.
-- name: DecideEntry :exec
UPDATE entries
SET state = sqlc.arg(state), day = DEFAULT, attempts = (attempts & ~1048575) | sqlc.arg(attempts)::integer
WHERE mailbox = sqlc.arg(mailbox) AND pair = sqlc.arg(pair);

-- name: InsertLine :exec
INSERT INTO audit (id, mailbox, status, size, domain, reason, pair)
VALUES (sqlc.arg(id), sqlc.arg(mailbox), sqlc.arg(status), sqlc.arg(size), sqlc.arg(domain),
    nullif(sqlc.arg(reason)::bigint, 0), sqlc.narg(pair)::bytea);

-- name: CountImported :exec
INSERT INTO totals (mailbox, messages, octets)
VALUES ($1, 1, $2)
ON CONFLICT (mailbox) DO UPDATE
SET messages = totals.messages + 1, octets = totals.octets + excluded.octets;

-- The next pass looks at every message again. One that is under way has perhaps
-- not seen the decision: its digest is not taken (SaveSchedule), until a pass
-- begins that will.
-- name: Decided :exec
UPDATE schedule
SET digest = '\x00'
WHERE mailbox = $1;
