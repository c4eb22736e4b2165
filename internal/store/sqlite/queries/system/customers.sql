-- A user has one customer; nothing is linked to who is being wiped.
-- name: LinkCustomer :execrows
INSERT INTO customers (hash, user_id, due)
SELECT sqlc.arg(hash), u.id, 0
FROM users AS u
WHERE u.id = sqlc.arg(user_id) AND u.receipt = ''
ON CONFLICT (user_id) DO UPDATE
SET hash = excluded.hash;

-- name: CustomerDue :exec
UPDATE customers
SET due = sqlc.arg(due)
WHERE hash = sqlc.arg(hash);

-- name: AllCustomersDue :exec
UPDATE customers
SET due = sqlc.arg(due)
WHERE due = 0 OR due > sqlc.arg(due);

-- name: DueCustomers :many
SELECT c.user_id, c.due
FROM customers AS c
JOIN users AS u ON u.id = c.user_id
WHERE c.due > 0 AND c.due <= sqlc.arg(now) AND u.receipt = ''
ORDER BY c.due
LIMIT sqlc.arg(most);

-- name: CountDueCustomers :one
SELECT count(*)
FROM customers
WHERE due > 0 AND due <= sqlc.arg(now);

-- name: CustomerSeen :exec
UPDATE customers
SET due = sqlc.arg(next)
WHERE user_id = sqlc.arg(user_id) AND due = sqlc.arg(due);

-- name: DeleteUserCustomers :execrows
DELETE FROM customers
WHERE user_id = ?;
