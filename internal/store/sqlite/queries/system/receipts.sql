-- name: InsertReceipt :exec
INSERT INTO receipts (id, of, at, counts, key_destroyed)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: GetReceipt :one
SELECT *
FROM receipts
WHERE id = ?;

-- name: ErrandStates :many
SELECT what, state
FROM errands
WHERE receipt = ?;

-- name: InsertErrand :exec
INSERT INTO errands (receipt, what, since, subject, secret, state, key_gone)
VALUES (?, ?, ?, ?, ?, 'pending', 0)
ON CONFLICT (receipt, what) DO NOTHING;

-- name: CountErrand :one
SELECT count(*)
FROM errands
WHERE receipt = ? AND what = ?;

-- name: PendingErrands :many
SELECT receipt, what, since, secret
FROM errands
WHERE state = 'pending';

-- name: EndErrand :execrows
UPDATE errands
SET state = ?, secret = x'', subject = x''
WHERE receipt = ? AND what = ? AND state = 'pending';

-- Who has connected again does not want the grant ended.
-- name: MootErrands :execrows
UPDATE errands
SET state = 'moot', secret = x'', subject = x''
WHERE subject = ? AND state = 'pending';

-- The keys of these are still there.
-- name: EndedErrands :many
SELECT receipt, what
FROM errands
WHERE state <> 'pending' AND key_gone = 0;

-- name: ErrandKeyGone :exec
UPDATE errands
SET key_gone = 1
WHERE receipt = ? AND what = ?;
