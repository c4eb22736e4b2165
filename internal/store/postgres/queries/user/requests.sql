-- name: GetRequest :one
SELECT request, at, status, resource
FROM requests
WHERE key = $1;

-- name: StartRequest :exec
INSERT INTO requests (key, request, at, status, resource)
VALUES ($1, $2, $3, 0, '')
ON CONFLICT (user_id, key) DO UPDATE
SET request = excluded.request, at = excluded.at, status = 0, resource = '';

-- name: FinishRequest :execrows
UPDATE requests
SET status = $1, resource = $2
WHERE key = $3 AND status = 0;

-- name: AbandonRequest :exec
DELETE FROM requests
WHERE key = $1 AND status = 0;

-- name: DropRequests :exec
DELETE FROM requests
WHERE at <= $1;
