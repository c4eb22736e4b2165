-- name: PutGrant :exec
INSERT INTO grants (one, refresh_token, scopes, email, sub, granted_at)
VALUES (1, ?, ?, ?, ?, ?)
ON CONFLICT (one) DO UPDATE
SET refresh_token = excluded.refresh_token, scopes = excluded.scopes, email = excluded.email,
    sub = excluded.sub, granted_at = excluded.granted_at;

-- name: GetGrant :one
SELECT *
FROM grants;

-- name: DropGrant :execrows
DELETE FROM grants;
