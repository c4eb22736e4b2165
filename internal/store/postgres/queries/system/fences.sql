-- name: Epoch :one
SELECT epoch
FROM fences
WHERE user_id = $1;

-- Waits for what is being committed under the epoch of before.
-- name: TakeOver :one
UPDATE fences
SET epoch = epoch + 1
WHERE user_id = $1
RETURNING epoch;

-- Shares a lock on the fences of users until the transaction ends, always in one
-- order. Each statement after it sees them as they are now.
-- name: HoldFences :many
SELECT user_id, epoch
FROM fences
WHERE user_id = ANY (sqlc.arg(users)::uuid[])
ORDER BY user_id
FOR SHARE;

-- name: MakeFence :exec
INSERT INTO fences (user_id)
VALUES ($1);

-- name: DropFence :execrows
DELETE FROM fences
WHERE user_id = $1;

-- That the database answers.
-- name: Ping :one
SELECT 1::integer;

-- name: KeepAudit :one
SELECT keep_audit(sqlc.arg(since)::timestamptz, sqlc.arg(until)::timestamptz, sqlc.arg(forget)::timestamptz)::integer;
