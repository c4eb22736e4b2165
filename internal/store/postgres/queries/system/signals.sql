-- name: InsertSignal :exec
INSERT INTO signals (id, kind, reason, at, subject, mark)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: Signals :many
SELECT id, kind, reason, at
FROM signals
ORDER BY at, id;

-- name: GetSignal :one
SELECT *
FROM signals
WHERE id = $1;

-- name: EndSignal :exec
DELETE FROM signals
WHERE id = $1;

-- name: DeleteUserSignals :execrows
DELETE FROM signals
WHERE subject = (
    SELECT u.subject
    FROM users AS u
    WHERE u.id = $1);

-- name: AddMarks :exec
INSERT INTO grant_marks (mark, user_id)
SELECT unnest(sqlc.arg(marks)::bytea[]), sqlc.arg(user_id)
ON CONFLICT (mark, user_id) DO NOTHING;

-- name: DropOtherMarks :exec
DELETE FROM grant_marks
WHERE user_id = sqlc.arg(user_id) AND NOT mark = ANY (sqlc.arg(keep)::bytea[]);

-- name: UsersOfMark :many
SELECT user_id
FROM grant_marks
WHERE mark = $1;

-- name: DeleteUserMarks :execrows
DELETE FROM grant_marks
WHERE user_id = $1;
