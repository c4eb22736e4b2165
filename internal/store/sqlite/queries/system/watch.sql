-- Nobody is watched who is being wiped.
-- name: WatchUser :exec
INSERT INTO watch (user_id, at)
SELECT u.id, sqlc.arg(at)
FROM users AS u
WHERE u.id = sqlc.arg(user_id) AND u.receipt = ''
ON CONFLICT (user_id) DO UPDATE
SET at = excluded.at;

-- name: Watched :many
SELECT w.user_id, w.at
FROM watch AS w
JOIN users AS u ON u.id = w.user_id
WHERE w.at <= sqlc.arg(now) AND u.receipt = ''
ORDER BY w.at
LIMIT sqlc.arg(most);

-- name: CountWatched :one
SELECT count(*)
FROM watch
WHERE at <= sqlc.arg(now);

-- name: Rewatch :exec
UPDATE watch
SET at = sqlc.arg(next)
WHERE user_id = sqlc.arg(user_id) AND at = sqlc.arg(at);

-- name: Unwatch :exec
DELETE FROM watch
WHERE user_id = ? AND at = ?;

-- name: DeleteUserWatch :execrows
DELETE FROM watch
WHERE user_id = ?;
