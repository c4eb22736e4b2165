-- Taking is three statements of one transaction, sent together: the rows are
-- there, they are locked and read, and they change both or not at all.
-- name: MakeQuotaDay :exec
INSERT INTO quota_day (day, units)
VALUES ($1, 0)
ON CONFLICT (day) DO NOTHING;

-- name: MakeQuotaUserDay :exec
INSERT INTO quota_user_day (day, user_id, bytes)
VALUES ($1, $2, 0)
ON CONFLICT (day, user_id) DO NOTHING;

-- name: LockQuota :one
SELECT d.units, u.bytes
FROM quota_day AS d
JOIN quota_user_day AS u ON u.day = d.day
WHERE d.day = sqlc.arg(day) AND u.user_id = sqlc.arg(user_id)
FOR UPDATE;

-- It may add to a counter that has no limit, from which nothing is wanted or
-- nothing was taken, or that stays within its limit.
-- name: TakeQuota :one
WITH fits AS (
    SELECT
        (sqlc.arg(units_limit)::bigint = 0 OR sqlc.arg(units)::bigint = 0 OR d.units = 0 OR d.units + sqlc.arg(units)::bigint <= sqlc.arg(units_limit)::bigint)
        AND (sqlc.arg(bytes_limit)::bigint = 0 OR sqlc.arg(bytes)::bigint = 0 OR u.bytes = 0 OR u.bytes + sqlc.arg(bytes)::bigint <= sqlc.arg(bytes_limit)::bigint) AS ok,
        d.units, u.bytes
    FROM quota_day AS d
    JOIN quota_user_day AS u ON u.day = d.day
    WHERE d.day = sqlc.arg(day) AND u.user_id = sqlc.arg(user_id)
), units_taken AS (
    UPDATE quota_day
    SET units = quota_day.units + sqlc.arg(units)::bigint
    FROM fits
    WHERE fits.ok AND quota_day.day = sqlc.arg(day) AND sqlc.arg(units)::bigint <> 0
), bytes_taken AS (
    UPDATE quota_user_day
    SET bytes = quota_user_day.bytes + sqlc.arg(bytes)::bigint
    FROM fits
    WHERE fits.ok AND quota_user_day.day = sqlc.arg(day) AND quota_user_day.user_id = sqlc.arg(user_id) AND sqlc.arg(bytes)::bigint <> 0
)
SELECT ok, units, bytes
FROM fits;

-- name: GiveUnits :exec
UPDATE quota_day
SET units = greatest(0, units - sqlc.arg(units)::bigint)
WHERE day = sqlc.arg(day) AND units > 0;

-- name: GiveBytes :exec
UPDATE quota_user_day
SET bytes = greatest(0, bytes - sqlc.arg(bytes)::bigint)
WHERE day = sqlc.arg(day) AND user_id = sqlc.arg(user_id) AND bytes > 0;

-- name: QuotaUsed :one
SELECT
    coalesce((SELECT d.units FROM quota_day AS d WHERE d.day = sqlc.arg(day)), 0)::bigint AS units,
    coalesce((SELECT u.bytes FROM quota_user_day AS u WHERE u.day = sqlc.arg(day) AND u.user_id = sqlc.arg(user_id)), 0)::bigint AS bytes;

-- Days long past.
-- name: DropQuotaDays :exec
DELETE FROM quota_day
WHERE day < $1;

-- name: DropQuotaUserDays :exec
DELETE FROM quota_user_day
WHERE day < $1;

-- name: QuotaOfUser :many
SELECT day, bytes
FROM quota_user_day
WHERE user_id = $1
ORDER BY day;

-- name: DeleteUserQuota :execrows
DELETE FROM quota_user_day
WHERE user_id = $1;
