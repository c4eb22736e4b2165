-- name: InsertReceipt :exec
INSERT INTO receipts (id, of, at, counts, key_destroyed)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING;

-- name: GetReceipt :one
SELECT *
FROM receipts
WHERE id = $1;

-- name: ErrandStates :many
SELECT what, state
FROM errands
WHERE receipt = $1;

-- name: InsertErrand :exec
INSERT INTO errands (receipt, what, since, subject, secret, state, key_gone)
VALUES ($1, $2, $3, $4, $5, 'pending', false)
ON CONFLICT (receipt, what) DO NOTHING;

-- name: CountErrand :one
SELECT count(*)
FROM errands
WHERE receipt = $1 AND what = $2;

-- name: PendingErrands :many
SELECT receipt, what, since, secret
FROM errands
WHERE state = 'pending';

-- name: EndErrand :execrows
UPDATE errands
SET state = $1, secret = '', subject = ''
WHERE receipt = $2 AND what = $3 AND state = 'pending';

-- Who has connected again does not want the grant ended.
-- name: MootErrands :execrows
UPDATE errands
SET state = 'moot', secret = '', subject = ''
WHERE subject = $1 AND state = 'pending';

-- The keys of these are still there.
-- name: EndedErrands :many
SELECT receipt, what
FROM errands
WHERE state <> 'pending' AND NOT key_gone;

-- name: ErrandKeyGone :exec
UPDATE errands
SET key_gone = true
WHERE receipt = $1 AND what = $2;
