-- name: UserBySubject :one
SELECT id, receipt
FROM users
WHERE subject = $1;

-- name: SubjectOfUser :one
SELECT subject
FROM users
WHERE id = $1 AND receipt = '';

-- Also of who is being wiped.
-- name: SubjectOfAnyUser :one
SELECT subject
FROM users
WHERE id = $1;

-- Two who would be the first come one after the other, on whatever node.
-- name: LockSignUp :exec
SELECT pg_advisory_xact_lock(hashtext('smtp-sync sign-up'));

-- With first, only if nobody has signed up before.
-- name: InsertUser :execrows
INSERT INTO users (id, subject, signed_up, swept)
SELECT sqlc.arg(id)::uuid, sqlc.arg(subject)::bytea, sqlc.arg(signed_up)::boolean, sqlc.arg(swept)::bigint
WHERE NOT sqlc.arg(first)::boolean OR NOT EXISTS (
    SELECT 1
    FROM users
    WHERE users.signed_up)
ON CONFLICT (subject) DO NOTHING;

-- name: SignedUp :one
SELECT EXISTS (
    SELECT 1
    FROM users
    WHERE signed_up);

-- One at a time: what a user may have so many of, and the end of a user. Rows that
-- refer to one may be made meanwhile, unless it is the end.
-- name: LockUser :one
SELECT id
FROM users
WHERE id = $1 AND receipt = ''
FOR NO KEY UPDATE;

-- name: LockUserToEnd :one
SELECT id
FROM users
WHERE id = $1
FOR UPDATE;

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
WHERE id = ANY (sqlc.arg(ids)::uuid[]);

-- name: DeleteUser :execrows
DELETE FROM users
WHERE id = $1;
