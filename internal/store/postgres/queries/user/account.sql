-- name: PutGrant :exec
INSERT INTO grants (status, refresh_token, scopes, granted_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id) DO UPDATE
SET status = excluded.status, refresh_token = excluded.refresh_token, scopes = excluded.scopes, granted_at = excluded.granted_at;

-- name: GetGrant :one
SELECT g.status, g.refresh_token, g.scopes, g.granted_at, p.email, p.sub
FROM grants AS g
LEFT JOIN person AS p ON p.user_id = g.user_id;

-- name: LockToken :one
SELECT refresh_token
FROM grants
FOR UPDATE;

-- name: RevokeGrant :execrows
UPDATE grants
SET status = 'revoked', refresh_token = NULL, scopes = '[]', granted_at = 0
WHERE status <> 'revoked';

-- name: PutPerson :exec
INSERT INTO person (email, sub)
VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE
SET email = excluded.email, sub = excluded.sub;

-- name: GetPerson :one
SELECT email, sub
FROM person;

-- name: DropPerson :execrows
DELETE FROM person;

-- name: MakeProfile :exec
INSERT INTO profile (created)
VALUES ($1);

-- name: GetProfile :one
SELECT created, choices
FROM profile;

-- name: SetProfile :execrows
UPDATE profile
SET choices = $1;

-- One at a time changes what there can be one of only, or so many.
-- name: LockProfile :one
SELECT created
FROM profile
FOR UPDATE;

-- What is on its way when its sessions are destroyed: nobody can tell any more
-- how it ended (5: doubtful).
-- name: ClaimsForgone :many
SELECT c.mailbox, m.id, c.pair, c.about, c.size
FROM claims AS c
JOIN mailboxes AS m ON m.n = c.mailbox
ORDER BY c.at;

-- name: DoubtClaims :exec
INSERT INTO entries (mailbox, pair, state, absent, attempts)
SELECT mailbox, pair, 5, absent, attempts
FROM claims;

-- name: DropClaims :execrows
DELETE FROM claims;

-- For an export.
-- name: HeldClaims :many
SELECT m.id, c.pair, c.at, c.about, c.size, c.checkpoint_offset, c.attempts, c.absent
FROM claims AS c
JOIN mailboxes AS m ON m.n = c.mailbox
ORDER BY c.at;

-- name: HeldRequests :many
SELECT at, status, resource
FROM requests
ORDER BY at;
