-- Pages of the audit log, newest first: everything older than before, of which
-- low is the oldest id wanted. An empty domain means any. Each filter that has
-- an index has its own statement, so that none of them reads the whole log.

-- name: AuditAll :many
SELECT a.id, m.id AS mailbox_id, a.domain, a.status, a.reason, a.size
FROM audit AS a
JOIN mailboxes AS m ON m.n = a.mailbox
WHERE a.id < sqlc.arg(before) AND a.id >= sqlc.arg(low)
    AND (CAST(sqlc.arg(domain) AS TEXT) = '' OR a.domain = CAST(sqlc.arg(domain) AS TEXT))
    AND (CAST(sqlc.arg(status) AS INTEGER) = 0 OR +a.status = CAST(sqlc.arg(status) AS INTEGER))
ORDER BY a.id DESC
LIMIT sqlc.arg(most);

-- name: AuditOfMailbox :many
SELECT a.id, m.id AS mailbox_id, a.domain, a.status, a.reason, a.size
FROM audit AS a
JOIN mailboxes AS m ON m.n = a.mailbox
WHERE a.mailbox = sqlc.arg(mailbox) AND a.id < sqlc.arg(before) AND a.id >= sqlc.arg(low)
    AND (CAST(sqlc.arg(domain) AS TEXT) = '' OR a.domain = CAST(sqlc.arg(domain) AS TEXT))
    AND (CAST(sqlc.arg(status) AS INTEGER) = 0 OR +a.status = CAST(sqlc.arg(status) AS INTEGER))
ORDER BY a.id DESC
LIMIT sqlc.arg(most);

-- For any status but imported.
-- name: AuditOfStatus :many
SELECT a.id, m.id AS mailbox_id, a.domain, a.status, a.reason, a.size
FROM audit AS a
JOIN mailboxes AS m ON m.n = a.mailbox
WHERE a.status = sqlc.arg(status) AND a.status <> 2 AND a.id < sqlc.arg(before) AND a.id >= sqlc.arg(low)
    AND (CAST(sqlc.arg(domain) AS TEXT) = '' OR a.domain = CAST(sqlc.arg(domain) AS TEXT))
ORDER BY a.id DESC
LIMIT sqlc.arg(most);
