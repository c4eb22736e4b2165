-- Nothing is inserted for a user who is being wiped.
-- name: InsertToken :execrows
INSERT INTO tokens (hash, id, user_id, name, scopes, created, expires, last_used)
SELECT sqlc.arg(hash), sqlc.arg(id), u.id, sqlc.arg(name), sqlc.arg(scopes), sqlc.arg(created), sqlc.arg(expires), 0
FROM users AS u
WHERE u.id = sqlc.arg(user_id) AND u.receipt = '';

-- name: CountTokens :one
SELECT count(*)
FROM tokens
WHERE user_id = $1 AND expires > sqlc.arg(now);

-- name: TokenByHash :one
SELECT t.id, t.user_id, t.scopes, t.created, t.expires, t.last_used
FROM tokens AS t
JOIN users AS u ON u.id = t.user_id
WHERE t.hash = sqlc.arg(hash) AND u.receipt = '';

-- name: UseToken :exec
UPDATE tokens
SET last_used = sqlc.arg(now)
WHERE hash = sqlc.arg(hash) AND last_used < sqlc.arg(now);

-- name: TokensOfUser :many
SELECT id, name, scopes, created, expires, last_used
FROM tokens
WHERE user_id = $1 AND expires > sqlc.arg(now)
ORDER BY id DESC;

-- name: RevokeToken :execrows
DELETE FROM tokens
WHERE user_id = $1 AND id = $2;

-- name: DropExpiredTokens :execrows
DELETE FROM tokens
WHERE expires <= $1;

-- name: DeleteUserTokens :execrows
DELETE FROM tokens
WHERE user_id = $1;

-- name: UseOnce :execrows
INSERT INTO used_once (hash, until)
VALUES ($1, $2)
ON CONFLICT (hash) DO NOTHING;

-- name: DropUsedOnce :execrows
DELETE FROM used_once
WHERE until <= $1;
