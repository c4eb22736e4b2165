-- name: MarkEntry :exec
UPDATE entries
SET absent = ?
WHERE mailbox = ? AND pair = ?;

-- name: MarkClaim :exec
UPDATE claims
SET absent = ?
WHERE mailbox = ? AND pair = ?;

-- name: TakeOut :one
DELETE FROM entries
WHERE mailbox = ? AND pair = ?
RETURNING state, attempts, day;

-- name: PutIn :execrows
INSERT INTO entries (mailbox, pair, state, absent, attempts, day)
SELECT sqlc.arg(mailbox), sqlc.arg(pair), sqlc.arg(state), 0, sqlc.arg(attempts), sqlc.arg(day)
WHERE NOT EXISTS (
    SELECT 1
    FROM claims AS c
    WHERE c.mailbox = sqlc.arg(mailbox) AND c.pair = sqlc.arg(pair))
ON CONFLICT (mailbox, pair) DO NOTHING;

-- name: MoveLines :exec
UPDATE audit
SET pair = sqlc.arg(new)
WHERE mailbox = sqlc.arg(mailbox) AND pair = sqlc.arg(old);

-- The next entries after a pair, for an export.
-- name: EntriesAfter :many
SELECT pair, state, absent, attempts, day
FROM entries
WHERE mailbox = sqlc.arg(mailbox) AND pair > sqlc.arg(last)
ORDER BY pair
LIMIT sqlc.arg(most);
