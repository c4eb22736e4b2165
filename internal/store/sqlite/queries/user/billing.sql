-- name: GetBilling :one
SELECT customer, state
FROM billing;

-- name: PutCustomer :exec
INSERT INTO billing (one, customer, state)
VALUES (1, ?, '{}')
ON CONFLICT (one) DO UPDATE
SET customer = excluded.customer;

-- name: PutSubscription :execrows
UPDATE billing
SET state = ?;
