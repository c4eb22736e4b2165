-- name: UserBySubject :one
SELECT id, receipt
FROM users
WHERE subject = ?;

-- name: SubjectOfUser :one
SELECT subject
FROM users
WHERE id = ? AND receipt = '';

-- Also of who is being wiped.
-- name: SubjectOfAnyUser :one
SELECT subject
FROM users
WHERE id = ?;

-- With first, only if nobody has signed up before.
-- name: InsertUser :execrows
INSERT INTO users (id, subject, signed_up, swept)
SELECT sqlc.arg(id), sqlc.arg(subject), sqlc.arg(signed_up), sqlc.arg(swept)
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

-- name: CountUsers :one
SELECT count(*)
FROM users;

-- Who was swept longest ago comes first.
-- name: UsersToSweep :many
SELECT id
FROM users
WHERE swept <= sqlc.arg(before) AND receipt = ''
ORDER BY swept
LIMIT sqlc.arg(most);

-- name: MarkSwept :exec
UPDATE users
SET swept = sqlc.arg(at)
WHERE id = sqlc.arg(id);

-- name: DeleteUser :execrows
DELETE FROM users
WHERE id = ?;

-- name: DeleteUserQuota :execrows
DELETE FROM quota_user_day
WHERE user_id = ?;

-- name: UserSignedUp :one
SELECT signed_up
FROM users
WHERE id = ? AND receipt = '';
