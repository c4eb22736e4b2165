-- The intent of a wipe is durable before anything is destroyed, so that a restart
-- finishes it. Who wipes again goes on with the receipt of the first.
-- name: BeginWipe :exec
INSERT INTO wipes (receipt, of, user_id, mailbox_id, counts)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (user_id, of, mailbox_id) DO NOTHING;

-- name: WipeBegun :one
SELECT receipt, counts
FROM wipes
WHERE user_id = ? AND of = ? AND mailbox_id = ?;

-- Nobody finds or signs in a user who is being wiped.
-- name: MarkWiping :execrows
UPDATE users
SET receipt = ?
WHERE id = ?;

-- A user's mailboxes and grant before the user.
-- name: WipesBegun :many
SELECT receipt, of, user_id, mailbox_id, counts
FROM wipes
ORDER BY CASE of WHEN 'account' THEN 1 ELSE 0 END;

-- name: EndWipe :exec
DELETE FROM wipes
WHERE receipt = ?;

-- Who has connected again keeps the new grant.
-- name: ForgetGrantWipe :exec
DELETE FROM wipes
WHERE user_id = ? AND of = 'grant';

-- name: EndWipesOfUser :exec
DELETE FROM wipes
WHERE user_id = ?;
