-- name: PutGrant :exec
INSERT INTO grants (one, status, refresh_token, scopes, granted_at)
VALUES (1, ?, ?, ?, ?)
ON CONFLICT (one) DO UPDATE
SET status = excluded.status, refresh_token = excluded.refresh_token, scopes = excluded.scopes, granted_at = excluded.granted_at;

-- name: GetGrant :one
SELECT g.status, g.refresh_token, g.scopes, g.granted_at, p.email, p.sub
FROM grants AS g
LEFT JOIN person AS p ON p.one = g.one;

-- name: RevokeGrant :execrows
UPDATE grants
SET status = 'revoked', refresh_token = NULL, scopes = '[]', granted_at = 0
WHERE status <> 'revoked';

-- name: PutPerson :exec
INSERT INTO person (one, email, sub)
VALUES (1, ?, ?)
ON CONFLICT (one) DO UPDATE
SET email = excluded.email, sub = excluded.sub;

-- name: GetPerson :one
SELECT email, sub
FROM person;

-- name: DropPerson :execrows
DELETE FROM person;

-- name: MakeProfile :exec
INSERT INTO profile (one, created)
VALUES (1, ?);

-- name: GetProfile :one
SELECT created, locale, time_zone, notices
FROM profile;

-- name: SetProfile :execrows
UPDATE profile
SET locale = ?, time_zone = ?, notices = ?;

-- What is on its way when its sessions are destroyed: nobody can tell any more
-- how it ended (5: doubtful).
-- name: ClaimsForgone :many
SELECT mailbox, pair, domain, size
FROM claims
ORDER BY at;

-- name: DoubtClaims :exec
INSERT INTO entries (mailbox, pair, state, absent, attempts, day)
SELECT mailbox, pair, 5, absent, attempts, unixepoch() / 86400
FROM claims;

-- name: DropClaims :execrows
DELETE FROM claims;

-- For an export.
-- name: HeldClaims :many
SELECT m.id, c.pair, c.at, c.domain, c.size, c.verdict, c.checkpoint_offset, c.attempts, c.absent
FROM claims AS c
JOIN mailboxes AS m ON m.n = c.mailbox
ORDER BY c.at;

-- name: HeldRequests :many
SELECT at, status, resource
FROM requests
ORDER BY at;
