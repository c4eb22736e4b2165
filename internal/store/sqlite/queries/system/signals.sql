-- name: InsertSignal :exec
INSERT INTO signals (id, kind, reason, at, subject, mark)
VALUES (?, ?, ?, ?, ?, ?);

-- name: Signals :many
SELECT id, kind, reason, at
FROM signals
ORDER BY at, id;

-- name: GetSignal :one
SELECT *
FROM signals
WHERE id = ?;

-- name: EndSignal :exec
DELETE FROM signals
WHERE id = ?;

-- name: DeleteUserSignals :execrows
DELETE FROM signals
WHERE subject = (
    SELECT u.subject
    FROM users AS u
    WHERE u.id = ?);

-- name: AddMark :exec
INSERT INTO grant_marks (mark, user_id)
VALUES (?, ?)
ON CONFLICT (mark, user_id) DO NOTHING;

-- name: MarksOfUser :many
SELECT mark
FROM grant_marks
WHERE user_id = ?;

-- name: DropMark :exec
DELETE FROM grant_marks
WHERE mark = ? AND user_id = ?;

-- name: UsersOfMark :many
SELECT user_id
FROM grant_marks
WHERE mark = ?;

-- name: DeleteUserMarks :execrows
DELETE FROM grant_marks
WHERE user_id = ?;
