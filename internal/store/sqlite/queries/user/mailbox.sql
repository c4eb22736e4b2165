-- name: InsertMailbox :execrows
INSERT INTO mailboxes (
    id, protocol, host, service, username, name, port, security, password, folders, label, archive, after_import,
    history, since, newest_first, poll_every, authserv, created)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (protocol, host, service, username) DO NOTHING;

-- name: InsertSchedule :exec
INSERT INTO schedule (mailbox)
SELECT n
FROM mailboxes
WHERE id = ?;

-- Nothing is changed if the mailbox is another maildrop than this.
-- name: UpdateMailbox :execrows
UPDATE mailboxes
SET name = sqlc.arg(name), port = sqlc.arg(port), security = sqlc.arg(security),
    password = coalesce(nullif(CAST(sqlc.arg(password) AS BLOB), x''), password),
    folders = sqlc.arg(folders), label = sqlc.arg(label), archive = sqlc.arg(archive), after_import = sqlc.arg(after_import),
    history = sqlc.arg(history), since = sqlc.arg(since), newest_first = sqlc.arg(newest_first),
    poll_every = sqlc.arg(poll_every), authserv = sqlc.arg(authserv)
WHERE id = sqlc.arg(id)
    AND protocol = sqlc.arg(protocol) AND host = sqlc.arg(host) AND service = sqlc.arg(service) AND username = sqlc.arg(username);

-- A source that has not done what was asked of it is asked again: it may be
-- something else by now.
-- name: AskAgain :exec
UPDATE schedule
SET undone = 0, asked = 0
WHERE mailbox = (SELECT n FROM mailboxes WHERE id = ?);

-- name: MailboxByIdentity :one
SELECT *
FROM mailboxes
WHERE protocol = ? AND host = ? AND service = ? AND username = ?;

-- name: MailboxNumber :one
SELECT n
FROM mailboxes
WHERE id = ?;

-- name: Mailboxes :many
SELECT *
FROM mailboxes
ORDER BY n;

-- All that a pass begins with.
-- name: LoadMailbox :one
SELECT sqlc.embed(mailboxes), sqlc.embed(schedule)
FROM mailboxes
JOIN schedule ON schedule.mailbox = mailboxes.n
WHERE mailboxes.id = ?;

-- name: SaveSchedule :execrows
UPDATE schedule
SET phase = ?, until = ?, every = ?, code = ?, detail = ?, help = ?, class = ?, failures = ?, failing_since = ?,
    undone = ?, asked = ?, accepted = ?, floor = ?, last_sync = ?, backlog_messages = ?, backlog_bytes = ?, backlog_eta = ?,
    digest = CASE digest WHEN x'00' THEN digest ELSE CAST(sqlc.arg(digest) AS BLOB) END
WHERE mailbox = (SELECT n FROM mailboxes WHERE id = sqlc.arg(id));

-- The time until which Gmail takes nothing, as it told one of the mailboxes
-- that have failed since before a time.
-- name: GmailWait :one
SELECT CAST(coalesce(max(until), 0) AS INTEGER) AS until
FROM schedule
WHERE code IN ('gmail_rate', 'gmail_busy') AND failing_since < ?;

-- name: MailboxNumbers :many
SELECT n, id
FROM mailboxes
ORDER BY n;
