-- name: QuotaUsed :one
SELECT
    CAST(coalesce((SELECT units FROM quota_day WHERE quota_day.day = sqlc.arg(day)), 0) AS INTEGER) AS units,
    CAST(coalesce((SELECT bytes FROM quota_user_day WHERE quota_user_day.day = sqlc.arg(day) AND user_id = sqlc.arg(user_id)), 0) AS INTEGER) AS bytes;

-- name: SetQuotaDay :exec
INSERT INTO quota_day (day, units)
VALUES (?, ?)
ON CONFLICT (day) DO UPDATE SET units = excluded.units;

-- name: SetQuotaUserDay :exec
INSERT INTO quota_user_day (day, user_id, bytes)
VALUES (?, ?, ?)
ON CONFLICT (day, user_id) DO UPDATE SET bytes = excluded.bytes;

-- Days long past are dropped when a new one begins.
-- name: DropQuotaDays :exec
DELETE FROM quota_day
WHERE day < ?;

-- name: DropQuotaUserDays :exec
DELETE FROM quota_user_day
WHERE day < ?;

-- name: QuotaOfUser :many
SELECT day, bytes
FROM quota_user_day
WHERE user_id = ?
ORDER BY day;
