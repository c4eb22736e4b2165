-- name: PutConsent :exec
INSERT INTO consents (mailbox, provider, refresh, access, ends)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (mailbox) DO UPDATE
SET provider = excluded.provider, refresh = excluded.refresh, access = excluded.access, ends = excluded.ends;

-- name: GetConsent :one
SELECT c.mailbox, c.provider, c.refresh, c.access, c.ends
FROM consents AS c
JOIN mailboxes AS m ON m.n = c.mailbox
WHERE m.id = $1;

-- name: LockConsent :one
SELECT c.mailbox, c.provider, c.refresh, c.access, c.ends
FROM consents AS c
JOIN mailboxes AS m ON m.n = c.mailbox
WHERE m.id = $1
FOR UPDATE;

-- name: DropConsent :exec
DELETE FROM consents
WHERE mailbox = $1;

-- name: ForgetPassword :exec
UPDATE mailboxes
SET password = NULL
WHERE n = $1;

-- A source that has not done what was asked of it is asked again: it may be
-- something else by now.
-- name: AskAgain :exec
UPDATE schedule
SET undone = 0, asked = 0
WHERE mailbox = $1;

-- name: WipeConsents :execrows
DELETE FROM consents
WHERE mailbox = $1;
