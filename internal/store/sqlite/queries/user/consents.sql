-- name: PutConsent :execrows
INSERT INTO consents (mailbox, provider, refresh, access, ends)
SELECT n, CAST(sqlc.arg(provider) AS TEXT), CAST(sqlc.arg(refresh) AS BLOB), CAST(sqlc.arg(access) AS BLOB), CAST(sqlc.arg(ends) AS INTEGER)
FROM mailboxes
WHERE id = sqlc.arg(id)
ON CONFLICT (mailbox) DO UPDATE SET provider = excluded.provider, refresh = excluded.refresh, access = excluded.access, ends = excluded.ends;

-- name: GetConsent :one
SELECT consents.provider, consents.refresh, consents.access, consents.ends
FROM consents
JOIN mailboxes ON mailboxes.n = consents.mailbox
WHERE mailboxes.id = ?;

-- name: DropConsent :exec
DELETE FROM consents
WHERE mailbox = (SELECT n FROM mailboxes WHERE id = ?);

-- name: ForgetPassword :exec
UPDATE mailboxes
SET password = NULL
WHERE id = ?;

-- name: WipeConsents :execrows
DELETE FROM consents
WHERE mailbox = ?;
