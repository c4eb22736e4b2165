-- name: UserBySubject :one
SELECT id, wiping
FROM users
WHERE subject = ?;

-- name: InsertUser :execrows
INSERT INTO users (id, subject, created)
VALUES (?, ?, ?)
ON CONFLICT (subject) DO NOTHING;

-- The intent of a wipe is durable before the key is destroyed, so that a
-- restart finishes it.
-- name: MarkWiping :execrows
UPDATE users
SET wiping = 1
WHERE id = ?;

-- name: Wiping :many
SELECT id
FROM users
WHERE wiping = 1;

-- name: DeleteUser :execrows
DELETE FROM users
WHERE id = ?;

-- name: DeleteUserQuota :execrows
DELETE FROM quota_user_day
WHERE user_id = ?;
