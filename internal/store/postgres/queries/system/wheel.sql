-- The row by which the wheel finds a mailbox, due at once, or the lane that it has
-- now.
-- name: Register :exec
INSERT INTO wheel (user_id, mailbox_id, shard, lane, phase, until, every, dirty)
VALUES ($1, $2, $3, $4, 0, 0, 0, false)
ON CONFLICT (user_id, mailbox_id) DO UPDATE
SET lane = excluded.lane
WHERE wheel.lane <> excluded.lane;

-- name: RegisterMany :exec
INSERT INTO wheel (user_id, mailbox_id, shard, lane, phase, until, every, dirty)
SELECT
    unnest(sqlc.arg(users)::uuid[]), unnest(sqlc.arg(mailboxes)::uuid[]), unnest(sqlc.arg(shards)::smallint[]),
    unnest(sqlc.arg(lanes)::bigint[]), unnest(sqlc.arg(phases)::smallint[]), unnest(sqlc.arg(untils)::bigint[]),
    unnest(sqlc.arg(everys)::bigint[]), false
ON CONFLICT (user_id, mailbox_id) DO UPDATE
SET lane = excluded.lane;

-- name: Registered :one
SELECT lane, phase, until, every, dirty
FROM wheel
WHERE user_id = $1 AND mailbox_id = $2;

-- A mailbox that is marked already is not written again.
-- name: MarkDirty :one
WITH marked AS (
    UPDATE wheel AS m
    SET dirty = true
    WHERE m.user_id = sqlc.arg(user_id) AND m.mailbox_id = sqlc.arg(mailbox_id) AND NOT m.dirty
)
SELECT count(*)
FROM wheel AS w
WHERE w.user_id = sqlc.arg(user_id) AND w.mailbox_id = sqlc.arg(mailbox_id);

-- name: MarkClean :exec
UPDATE wheel
SET dirty = false
WHERE dirty AND mailbox_id = ANY (sqlc.arg(mailboxes)::uuid[]);

-- name: Dirty :many
SELECT user_id, mailbox_id, lane, phase, until, every
FROM wheel
WHERE dirty;

-- The next rows after a mailbox of a user.
-- name: ScheduledAfter :many
SELECT user_id, mailbox_id, lane, phase, until, every
FROM wheel
WHERE (user_id, mailbox_id) > (sqlc.arg(user_id)::uuid, sqlc.arg(mailbox_id)::uuid)
ORDER BY user_id, mailbox_id
LIMIT sqlc.arg(most);

-- name: Unregister :execrows
DELETE FROM wheel
WHERE user_id = $1 AND mailbox_id = $2;

-- name: UnregisterUser :execrows
DELETE FROM wheel
WHERE user_id = $1;
