-- The intent of a wipe is durable before anything is destroyed, so that a restart
-- finishes it. Who wipes again goes on with the receipt of the first.
-- name: BeginWipe :exec
INSERT INTO wipes (receipt, of, user_id, mailbox_id, counts)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id, of, mailbox_id) DO NOTHING;

-- name: WipeBegun :one
SELECT receipt, counts
FROM wipes
WHERE user_id = $1 AND of = $2 AND mailbox_id = $3;

-- Nobody finds or signs in a user who is being wiped.
-- name: MarkWiping :execrows
UPDATE users
SET receipt = $1
WHERE id = $2;

-- A user's mailboxes and grant before the user.
-- name: WipesBegun :many
SELECT receipt, of, user_id, mailbox_id, counts
FROM wipes
ORDER BY CASE of WHEN 'account' THEN 1 ELSE 0 END;

-- name: EndWipe :exec
DELETE FROM wipes
WHERE receipt = $1;

-- Who has connected again keeps the new grant.
-- name: ForgetGrantWipe :exec
DELETE FROM wipes
WHERE user_id = $1 AND of = 'grant';

-- name: EndWipesOfUser :exec
DELETE FROM wipes
WHERE user_id = $1;
