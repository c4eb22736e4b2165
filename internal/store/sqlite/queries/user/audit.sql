-- Pages of the audit log, newest first: everything older than before, of which
-- low is the oldest id wanted. An empty domain means any; below, if not empty, is
-- what those below it end with. Each filter that has an index has its own
-- statement. CROSS JOIN keeps the log as the outer loop: it is in order already.

-- name: AuditAll :many
SELECT a.id, m.id AS mailbox_id, a.domain, a.status, a.reason, a.size
FROM audit AS a
CROSS JOIN mailboxes AS m ON m.n = a.mailbox
WHERE a.id < sqlc.arg(before) AND a.id >= sqlc.arg(low)
    AND (CAST(sqlc.arg(domain) AS TEXT) = '' OR a.domain = CAST(sqlc.arg(domain) AS TEXT)
        OR CAST(sqlc.arg(below) AS TEXT) <> '' AND substr(a.domain, -length(CAST(sqlc.arg(below) AS TEXT))) = CAST(sqlc.arg(below) AS TEXT))
    AND (CAST(sqlc.arg(status) AS INTEGER) = 0 OR +a.status = CAST(sqlc.arg(status) AS INTEGER))
ORDER BY a.id DESC
LIMIT sqlc.arg(most);

-- name: AuditOfMailbox :many
SELECT a.id, m.id AS mailbox_id, a.domain, a.status, a.reason, a.size
FROM audit AS a
CROSS JOIN mailboxes AS m ON m.n = a.mailbox
WHERE a.mailbox = sqlc.arg(mailbox) AND a.id < sqlc.arg(before) AND a.id >= sqlc.arg(low)
    AND (CAST(sqlc.arg(domain) AS TEXT) = '' OR a.domain = CAST(sqlc.arg(domain) AS TEXT)
        OR CAST(sqlc.arg(below) AS TEXT) <> '' AND substr(a.domain, -length(CAST(sqlc.arg(below) AS TEXT))) = CAST(sqlc.arg(below) AS TEXT))
    AND (CAST(sqlc.arg(status) AS INTEGER) = 0 OR +a.status = CAST(sqlc.arg(status) AS INTEGER))
ORDER BY a.id DESC
LIMIT sqlc.arg(most);

-- For any status but imported.
-- name: AuditOfStatus :many
SELECT a.id, m.id AS mailbox_id, a.domain, a.status, a.reason, a.size
FROM audit AS a
CROSS JOIN mailboxes AS m ON m.n = a.mailbox
WHERE a.status = sqlc.arg(status) AND a.status <> 2 AND a.id < sqlc.arg(before) AND a.id >= sqlc.arg(low)
    AND (CAST(sqlc.arg(domain) AS TEXT) = '' OR a.domain = CAST(sqlc.arg(domain) AS TEXT)
        OR CAST(sqlc.arg(below) AS TEXT) <> '' AND substr(a.domain, -length(CAST(sqlc.arg(below) AS TEXT))) = CAST(sqlc.arg(below) AS TEXT))
ORDER BY a.id DESC
LIMIT sqlc.arg(most);

-- Where a look at so many lines ends: what no index finds is looked for in
-- steps, between which others get their turn.

-- name: StepAll :one
SELECT id
FROM audit
WHERE id < sqlc.arg(before) AND id >= sqlc.arg(low)
ORDER BY id DESC
LIMIT 1 OFFSET sqlc.arg(lines);

-- name: StepOfMailbox :one
SELECT id
FROM audit
WHERE mailbox = sqlc.arg(mailbox) AND id < sqlc.arg(before) AND id >= sqlc.arg(low)
ORDER BY id DESC
LIMIT 1 OFFSET sqlc.arg(lines);

-- name: StepOfStatus :one
SELECT id
FROM audit
WHERE status = sqlc.arg(status) AND status <> 2 AND id < sqlc.arg(before) AND id >= sqlc.arg(low)
ORDER BY id DESC
LIMIT 1 OFFSET sqlc.arg(lines);

-- A range of ids is a range of time: only its lines are read.
-- name: Tally :many
SELECT mailbox, status, count(*) AS messages, CAST(sum(size) AS INTEGER) AS octets
FROM audit
WHERE id >= sqlc.arg(low) AND id < sqlc.arg(before)
GROUP BY mailbox, status;

-- name: DropAudit :execrows
DELETE FROM audit
WHERE id IN (
    SELECT a.id
    FROM audit AS a
    WHERE a.id < sqlc.arg(before)
    ORDER BY a.id
    LIMIT sqlc.arg(most));

-- How the messages of each mailbox stand: those that are in Gmail are counted as
-- they come, the others are looked up.
-- name: Standing :many
SELECT m.id, CAST(2 AS INTEGER) AS state, t.messages, t.octets
FROM totals AS t
JOIN mailboxes AS m ON m.n = t.mailbox
UNION ALL
SELECT m.id, e.state, count(*) AS messages, CAST(0 AS INTEGER) AS octets
FROM entries AS e
JOIN mailboxes AS m ON m.n = e.mailbox
WHERE e.state <> 2
GROUP BY m.n, e.state;

-- The entry that a line is about, as it is now.
-- name: EntryOfLine :one
SELECT m.id AS mailbox_id, e.mailbox, e.pair, e.state, a.domain, a.size
FROM audit AS a
JOIN entries AS e ON e.mailbox = a.mailbox AND e.pair = a.pair
JOIN mailboxes AS m ON m.n = a.mailbox
WHERE a.id = ?;

-- A failed entry has had one try at least. What stands above the tries (wanted)
-- stays.
-- name: DecideEntry :exec
UPDATE entries
SET state = sqlc.arg(state), day = unixepoch() / 86400, attempts = (attempts & ~1048575) | CAST(sqlc.arg(attempts) AS INTEGER)
WHERE mailbox = sqlc.arg(mailbox) AND pair = sqlc.arg(pair);

-- The next pass looks at every message again. One that is under way has perhaps
-- not seen the decision: its digest is not taken (SaveSchedule), until a pass
-- begins that will.
-- name: Decided :exec
UPDATE schedule
SET digest = x'00'
WHERE mailbox = ?;

-- name: IsDecided :one
SELECT CAST(digest IS x'00' AS BOOLEAN) AS decided
FROM schedule
WHERE mailbox = (SELECT n FROM mailboxes WHERE id = ?);

-- name: HeedDecision :exec
UPDATE schedule
SET digest = NULL
WHERE mailbox = (SELECT n FROM mailboxes WHERE id = ?) AND digest = x'00';
