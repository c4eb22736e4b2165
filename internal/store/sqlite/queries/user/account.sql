-- name: InsertMailbox :execrows
INSERT INTO mailboxes (
    id, protocol, host, service, username, name, port, security, password, folders, label, archive, after_import)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (protocol, host, service, username) DO NOTHING;

-- name: MailboxByIdentity :one
SELECT *
FROM mailboxes
WHERE protocol = ? AND host = ? AND service = ? AND username = ?;

-- name: MailboxNumber :one
SELECT n
FROM mailboxes
WHERE id = ?;

-- name: Mailboxes :many
SELECT *
FROM mailboxes
ORDER BY n;

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

-- name: WipeClaims :execrows
DELETE FROM claims
WHERE mailbox = ?;

-- name: WipeEntries :execrows
DELETE FROM entries
WHERE mailbox = ?;

-- name: WipeAudit :execrows
DELETE FROM audit
WHERE mailbox = ?;

-- name: WipeMailbox :execrows
DELETE FROM mailboxes
WHERE n = ?;

-- name: CountRows :one
SELECT
    (SELECT count(*) FROM mailboxes) AS mailboxes,
    (SELECT count(*) FROM entries) AS entries,
    (SELECT count(*) FROM claims) AS claims,
    (SELECT count(*) FROM audit) AS audit,
    (SELECT count(*) FROM grants) AS grants;
