-- Nothing is inserted for a user who is being wiped.
-- name: InsertSession :execrows
INSERT INTO sessions (hash, id, user_id, created, last_seen, client)
SELECT sqlc.arg(hash), sqlc.arg(id), u.id, sqlc.arg(created), sqlc.arg(created), sqlc.arg(client)
FROM users AS u
WHERE u.id = sqlc.arg(user_id) AND u.receipt = '';

-- name: SessionByHash :one
SELECT s.id, s.user_id, s.created, s.last_seen
FROM sessions AS s
JOIN users AS u ON u.id = s.user_id
WHERE s.hash = sqlc.arg(hash) AND u.receipt = '';

-- name: SeeSession :exec
UPDATE sessions
SET last_seen = sqlc.arg(now)
WHERE hash = sqlc.arg(hash) AND last_seen < sqlc.arg(now);

-- name: SessionsOfUser :many
SELECT id, created, last_seen, client
FROM sessions
WHERE user_id = $1
ORDER BY last_seen DESC, id DESC;

-- name: EndSessionByHash :exec
DELETE FROM sessions
WHERE hash = $1;

-- name: EndSession :execrows
DELETE FROM sessions
WHERE user_id = $1 AND id = $2;

-- name: EndOtherSessions :execrows
DELETE FROM sessions
WHERE user_id = $1 AND id <> $2;

-- All but those seen last.
-- name: EndOldestSessions :exec
DELETE FROM sessions
WHERE hash IN (
    SELECT s.hash
    FROM sessions AS s
    WHERE s.user_id = sqlc.arg(user_id)
    ORDER BY s.last_seen DESC, s.id DESC
    OFFSET sqlc.arg(keep));

-- name: DropExpiredSessions :execrows
DELETE FROM sessions
WHERE last_seen <= sqlc.arg(unused_since) OR created <= sqlc.arg(begun_before);

-- name: DeleteUserSessions :execrows
DELETE FROM sessions
WHERE user_id = $1;
