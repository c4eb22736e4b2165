-- name: Register :exec
INSERT INTO wheel (user_id, mailbox_id, lane, phase, until, every, dirty)
VALUES (?, ?, ?, ?, ?, ?, 0)
ON CONFLICT (user_id, mailbox_id) DO UPDATE
SET lane = excluded.lane;

-- name: Lane :one
SELECT lane
FROM wheel
WHERE user_id = ? AND mailbox_id = ?;

-- name: Scheduled :one
SELECT phase, until, every
FROM wheel
WHERE user_id = ? AND mailbox_id = ?;

-- name: Registered :one
SELECT lane, phase, until, every, dirty
FROM wheel
WHERE user_id = ? AND mailbox_id = ?;

-- name: Reschedule :execrows
UPDATE wheel
SET phase = ?, until = ?, every = ?
WHERE user_id = ? AND mailbox_id = ?;

-- name: MarkDirty :execrows
UPDATE wheel
SET dirty = 1
WHERE user_id = ? AND mailbox_id = ?;

-- By the index of the dirty ones.
-- name: MarkClean :exec
UPDATE wheel
SET dirty = 0
WHERE dirty = 1 AND mailbox_id = ?;

-- name: Dirty :many
SELECT user_id, mailbox_id, lane, phase, until, every
FROM wheel
WHERE dirty = 1;

-- The next rows after a mailbox of a user.
-- name: ScheduledAfter :many
SELECT user_id, mailbox_id, lane, phase, until, every
FROM wheel
WHERE (user_id, mailbox_id) > (sqlc.arg(user_id), sqlc.arg(mailbox_id))
ORDER BY user_id, mailbox_id
LIMIT sqlc.arg(most);

-- name: Unregister :execrows
DELETE FROM wheel
WHERE user_id = ? AND mailbox_id = ?;

-- name: UnregisterUser :execrows
DELETE FROM wheel
WHERE user_id = ?;
