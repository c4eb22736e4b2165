-- The writes of many messages are functions (migrations, 0003_ledger).

-- name: Claim :one
SELECT ledger_claim(sqlc.arg(fenced)::bigint, sqlc.arg(mailboxes)::integer[], sqlc.arg(pairs)::bytea[], sqlc.arg(unseens)::bytea[],
    sqlc.arg(sessions)::bytea[], sqlc.arg(abouts)::bytea[], sqlc.arg(sizes)::bigint[], sqlc.arg(offsets)::bigint[],
    sqlc.arg(sums)::bytea[], sqlc.arg(ats)::bigint[])::integer[];

-- name: Settle :one
SELECT ledger_settle(sqlc.arg(fenced)::bigint, sqlc.arg(mailboxes)::integer[], sqlc.arg(pairs)::bytea[], sqlc.arg(states)::smallint[],
    sqlc.arg(failed)::integer[], sqlc.arg(lines)::uuid[], sqlc.arg(sizes)::bigint[], sqlc.arg(domains)::bigint[],
    sqlc.arg(reasons)::bigint[])::integer[];

-- name: Record :one
SELECT ledger_record(sqlc.arg(fenced)::bigint, sqlc.arg(mailboxes)::integer[], sqlc.arg(pairs)::bytea[], sqlc.arg(unseens)::bytea[],
    sqlc.arg(states)::smallint[], sqlc.arg(failed)::integer[], sqlc.arg(lines)::uuid[], sqlc.arg(sizes)::bigint[],
    sqlc.arg(domains)::bigint[], sqlc.arg(reasons)::bigint[])::integer[];

-- name: AddWords :exec
SELECT ledger_words(sqlc.arg(mailboxes)::integer[], sqlc.arg(hashes)::bigint[], sqlc.arg(days)::integer[], sqlc.arg(sealed)::bytea[]);

-- name: MailboxNumber :one
SELECT n
FROM mailboxes
WHERE id = $1;

-- Shares a lock on the user's fence until the transaction ends.
-- name: HoldFence :one
SELECT epoch
FROM fences
WHERE user_id = app_user()
FOR SHARE;

-- name: ClaimedSession :one
SELECT session
FROM claims
WHERE mailbox = $1 AND pair = $2
FOR UPDATE;

-- The new session has stored nothing yet: the old one's checkpoint ends with it.
-- name: RenewSession :exec
UPDATE claims
SET session = $1, checkpoint_offset = 0, checkpoint_sum = ''
WHERE mailbox = $2 AND pair = $3;

-- name: SetCheckpoint :execrows
UPDATE claims
SET checkpoint_offset = $1, checkpoint_sum = $2
WHERE mailbox = $3 AND pair = $4;

-- name: Entries :many
SELECT pair, state, absent, attempts
FROM entries
WHERE entries.mailbox = $1
UNION ALL
SELECT pair, 1::smallint, absent, attempts
FROM claims
WHERE claims.mailbox = $1;

-- name: Claims :many
SELECT pair, session, about, size, checkpoint_offset, checkpoint_sum, attempts, at
FROM claims
WHERE mailbox = $1
ORDER BY at;
