-- name: GetRequest :one
SELECT request, at, status, resource
FROM requests
WHERE key = ?;

-- name: StartRequest :exec
INSERT INTO requests (key, request, at, status, resource)
VALUES (?, ?, ?, 0, '')
ON CONFLICT (key) DO UPDATE
SET request = excluded.request, at = excluded.at, status = 0, resource = '';

-- name: FinishRequest :execrows
UPDATE requests
SET status = ?, resource = ?
WHERE key = ? AND status = 0;

-- name: AbandonRequest :exec
DELETE FROM requests
WHERE key = ? AND status = 0;

-- name: DropRequests :execrows
DELETE FROM requests
WHERE at <= ?;
