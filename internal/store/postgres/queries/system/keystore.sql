-- name: GetRecord :one
SELECT record
FROM keystore
WHERE name = $1;

-- name: CreateRecord :execrows
INSERT INTO keystore (name, record)
VALUES ($1, $2)
ON CONFLICT (name) DO NOTHING;

-- name: SwapRecord :execrows
UPDATE keystore
SET record = sqlc.arg(next)
WHERE name = sqlc.arg(name) AND record = sqlc.arg(old);

-- The record of a name, and those below it: a slash is followed by nothing that
-- sorts behind a tilde.
-- name: DestroyRecords :exec
DELETE FROM keystore
WHERE name = sqlc.arg(name)::text OR name > sqlc.arg(name)::text || '/' AND name < sqlc.arg(name)::text || '/~';

-- name: RecordNames :many
SELECT name
FROM keystore
WHERE name > sqlc.arg(last)
ORDER BY name
LIMIT sqlc.arg(most);
