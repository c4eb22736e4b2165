-- name: InsertReceipt :exec
INSERT INTO receipts (id, of, at, counts, key_destroyed)
VALUES (?, ?, ?, ?, ?);

-- name: GetReceipt :one
SELECT *
FROM receipts
WHERE id = ?;

-- name: ErrandStates :many
SELECT what, state
FROM errands
WHERE receipt = ?;

-- name: InsertErrand :exec
INSERT INTO errands (receipt, what, subject, secret, state)
VALUES (?, ?, ?, ?, 'pending')
ON CONFLICT (receipt, what) DO NOTHING;

-- name: PendingErrands :many
SELECT receipt, what, secret
FROM errands
WHERE state = 'pending';

-- name: EndErrand :execrows
UPDATE errands
SET state = 'done', secret = x'', subject = x''
WHERE receipt = ? AND what = ? AND state = 'pending';

-- Who has connected again does not want the grant ended.
-- name: MootErrands :execrows
UPDATE errands
SET state = 'moot', secret = x'', subject = x''
WHERE subject = ? AND state = 'pending';
