-- What a complete listing showed of known messages.
-- name: MarkEntries :exec
UPDATE entries
SET absent = sqlc.arg(absent)
WHERE mailbox = sqlc.arg(mailbox) AND pair = ANY (sqlc.arg(pairs)::bytea[]) AND absent <> sqlc.arg(absent);

-- name: MarkClaims :exec
UPDATE claims
SET absent = sqlc.arg(absent)
WHERE mailbox = sqlc.arg(mailbox) AND pair = ANY (sqlc.arg(pairs)::bytea[]) AND absent <> sqlc.arg(absent);

-- name: TakeOut :many
DELETE FROM entries
WHERE mailbox = sqlc.arg(mailbox) AND pair = ANY (sqlc.arg(pairs)::bytea[])
RETURNING pair, state, attempts, day;

-- name: PutIn :execrows
INSERT INTO entries (mailbox, pair, state, absent, attempts, day)
SELECT sqlc.arg(mailbox), i.pair, i.state, false, i.attempts, i.day
FROM (
    SELECT
        unnest(sqlc.arg(pairs)::bytea[]) AS pair, unnest(sqlc.arg(states)::smallint[]) AS state,
        unnest(sqlc.arg(attempts)::integer[]) AS attempts, unnest(sqlc.arg(days)::integer[]) AS day) AS i
WHERE NOT EXISTS (
    SELECT 1
    FROM claims AS c
    WHERE c.mailbox = sqlc.arg(mailbox) AND c.pair = i.pair)
ON CONFLICT (mailbox, pair) DO NOTHING;

-- name: MoveLines :exec
UPDATE audit
SET pair = i.new
FROM (SELECT unnest(sqlc.arg(old)::bytea[]) AS old, unnest(sqlc.arg(new)::bytea[]) AS new) AS i
WHERE audit.mailbox = sqlc.arg(mailbox) AND audit.pair = i.old;

-- The next entries after a pair, for an export.
-- name: EntriesAfter :many
SELECT pair, state, absent, attempts, day
FROM entries
WHERE mailbox = sqlc.arg(mailbox) AND pair > sqlc.arg(last)
ORDER BY pair
LIMIT sqlc.arg(most);
