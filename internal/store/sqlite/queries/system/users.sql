-- name: UserBySubject :one
SELECT id, receipt
FROM users
WHERE subject = ?;

-- name: SubjectOfUser :one
SELECT subject
FROM users
WHERE id = ? AND receipt = '';

-- With first, only if nobody has signed up before.
-- name: InsertUser :execrows
INSERT INTO users (id, subject, signed_up)
SELECT sqlc.arg(id), sqlc.arg(subject), sqlc.arg(signed_up)
WHERE CAST(sqlc.arg(first) AS INTEGER) = 0 OR NOT EXISTS (
    SELECT 1
    FROM users
    WHERE users.signed_up = 1)
ON CONFLICT (subject) DO NOTHING;

-- name: SignedUp :one
SELECT CAST(EXISTS (
    SELECT 1
    FROM users
    WHERE signed_up = 1) AS INTEGER);

-- name: UsersAfter :many
SELECT id
FROM users
WHERE id > sqlc.arg(last) AND receipt = ''
ORDER BY id
LIMIT sqlc.arg(most);

-- The intent of a wipe is durable before the key is destroyed, so that a
-- restart finishes it. Who wipes again goes on with the receipt of the first.
-- name: MarkWiping :execrows
UPDATE users
SET receipt = iif(receipt = '', CAST(sqlc.arg(receipt) AS TEXT), receipt)
WHERE id = sqlc.arg(id);

-- name: WipingOn :one
SELECT receipt
FROM users
WHERE id = ?;

-- name: Wiping :many
SELECT id
FROM users
WHERE receipt <> '';

-- name: DeleteUser :execrows
DELETE FROM users
WHERE id = ?;

-- name: DeleteUserQuota :execrows
DELETE FROM quota_user_day
WHERE user_id = ?;
