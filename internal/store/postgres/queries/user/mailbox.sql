-- name: InsertMailbox :one
INSERT INTO mailboxes (id, settings, password, created)
VALUES ($1, $2, $3, $4)
RETURNING n;

-- name: InsertSchedule :exec
INSERT INTO schedule (mailbox)
VALUES ($1);

-- name: LockMailbox :one
SELECT n, settings
FROM mailboxes
WHERE id = $1
FOR UPDATE;

-- An empty password leaves the one that is kept.
-- name: UpdateMailbox :exec
UPDATE mailboxes
SET settings = sqlc.arg(settings), password = coalesce(sqlc.narg(password)::bytea, password)
WHERE id = sqlc.arg(id);

-- name: Mailboxes :many
SELECT m.id, m.settings, m.password, m.created, c.provider, c.refresh, c.access, c.ends
FROM mailboxes AS m
LEFT JOIN consents AS c ON c.mailbox = m.n
ORDER BY m.n;

-- All that a pass begins with.
-- name: LoadMailbox :one
SELECT m.settings, m.password, m.created, c.provider, c.refresh, c.access, c.ends, sqlc.embed(schedule)
FROM mailboxes AS m
JOIN schedule ON schedule.mailbox = m.n
LEFT JOIN consents AS c ON c.mailbox = m.n
WHERE m.id = $1;

-- The state of a mailbox and what the wheel needs of it. A mailbox that the wheel
-- would wake as before has its row there left alone.
-- name: SaveSchedule :one
WITH saved AS (
    UPDATE schedule AS s
    SET phase = sqlc.arg(phase), until = sqlc.arg(until), every = sqlc.arg(every),
        code = sqlc.arg(code), reason = sqlc.narg(reason), class = sqlc.arg(class),
        failures = sqlc.arg(failures), failing_since = sqlc.arg(failing_since),
        undone = sqlc.arg(undone), asked = sqlc.arg(asked), accepted = sqlc.arg(accepted), floor = sqlc.arg(floor), last_sync = sqlc.arg(last_sync), backlog_messages = sqlc.arg(backlog_messages),
        backlog_bytes = sqlc.arg(backlog_bytes), backlog_eta = sqlc.arg(backlog_eta),
        digest = CASE s.digest WHEN '\x00' THEN s.digest ELSE sqlc.narg(digest)::bytea END
    FROM mailboxes AS m
    WHERE m.id = sqlc.arg(id) AND s.mailbox = m.n
    RETURNING m.id
), turned AS (
    UPDATE wheel AS w
    SET phase = sqlc.arg(phase), until = sqlc.arg(until), every = sqlc.arg(every)
    FROM saved
    WHERE w.user_id = app_user() AND w.mailbox_id = saved.id
        AND (w.phase, w.until, w.every) IS DISTINCT FROM (sqlc.arg(phase)::smallint, sqlc.arg(until)::bigint, sqlc.arg(every)::bigint)
)
SELECT count(*)
FROM saved;

-- name: HeedDecision :exec
UPDATE schedule
SET digest = NULL
WHERE mailbox = (SELECT n FROM mailboxes WHERE id = $1) AND digest = '\x00';

-- The time until which Gmail takes nothing, as it told one of the mailboxes
-- that have failed since before a time.
-- name: GmailWait :one
SELECT coalesce(max(until), 0)::bigint AS until
FROM schedule
WHERE code IN ('gmail_rate', 'gmail_busy') AND failing_since < $1;
