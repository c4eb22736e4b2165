-- name: GetTold :one
SELECT state
FROM told;

-- name: PutTold :exec
INSERT INTO told (one, state)
VALUES (1, ?)
ON CONFLICT (one) DO UPDATE
SET state = excluded.state;

-- name: Incidents :many
SELECT m.id, i.state
FROM incidents AS i
JOIN mailboxes AS m ON m.n = i.mailbox;

-- name: PutIncident :exec
INSERT INTO incidents (mailbox, state)
SELECT n, sqlc.arg(state)
FROM mailboxes
WHERE id = sqlc.arg(mailbox)
ON CONFLICT (mailbox) DO UPDATE
SET state = excluded.state;

-- name: DropIncident :exec
DELETE FROM incidents
WHERE mailbox = (SELECT n FROM mailboxes WHERE id = sqlc.arg(mailbox));

-- name: Notices :many
SELECT id, state
FROM notices
ORDER BY id;

-- name: NoticeMailboxes :many
SELECT a.notice, m.id, a.state
FROM notice_mailboxes AS a
JOIN mailboxes AS m ON m.n = a.mailbox
ORDER BY a.notice, a.mailbox;

-- name: PutNotice :exec
INSERT INTO notices (id, state)
VALUES (?, ?)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state;

-- name: AddNoticeMailbox :exec
INSERT INTO notice_mailboxes (notice, mailbox, state)
SELECT sqlc.arg(notice), n, sqlc.arg(state)
FROM mailboxes
WHERE id = sqlc.arg(mailbox);

-- name: DropNotice :exec
DELETE FROM notices
WHERE id = ?;
