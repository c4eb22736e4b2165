-- The statements of an import. A batch of them shares one transaction, which
-- began by locking the store against other writers and by reading the epoch;
-- so none of them needs to check the fence again.

-- name: Epoch :one
SELECT epoch
FROM fence;

-- name: TakeOver :one
UPDATE fence
SET epoch = epoch + 1
RETURNING epoch;

-- None of the hot statements uses RETURNING, for which SQLite builds a table
-- each time: whether they did something is told by the number of rows changed.

-- Failed tries (6) of a pair, and of the same id before its header was seen
-- (unseen). Not with IN, for which SQLite builds a table each time.
-- name: FailedTries :one
SELECT CAST(
    coalesce((
        SELECT e.attempts
        FROM entries AS e
        WHERE e.mailbox = sqlc.arg(mailbox) AND e.pair = sqlc.arg(pair) AND e.state = 6), 0)
    + coalesce((
        SELECT e.attempts
        FROM entries AS e
        WHERE e.mailbox = sqlc.arg(mailbox) AND e.pair = sqlc.arg(unseen) AND e.pair <> sqlc.arg(pair) AND e.state = 6), 0)
AS INTEGER);

-- The compare-and-set of a claim: nothing is inserted if the pair is claimed or
-- settled. Failed tries are counted on.
-- name: InsertClaim :execrows
INSERT INTO claims (
    mailbox, pair, session, verdict, domain, size, checkpoint_offset, checkpoint_sum, at, attempts, absent)
SELECT
    sqlc.arg(mailbox), sqlc.arg(pair), sqlc.arg(session), sqlc.arg(verdict), sqlc.arg(domain), sqlc.arg(size),
    sqlc.arg(checkpoint_offset), sqlc.arg(checkpoint_sum), sqlc.arg(at), sqlc.arg(attempts), 0
WHERE NOT EXISTS (
    SELECT 1
    FROM entries AS e
    WHERE e.mailbox = sqlc.arg(mailbox) AND e.pair = sqlc.arg(pair) AND e.state <> 6)
ON CONFLICT (mailbox, pair) DO NOTHING;

-- A message is in entries or in claims: failed tries leave entries when they
-- are counted on elsewhere.
-- name: DropFailed :exec
DELETE FROM entries
WHERE mailbox = sqlc.arg(mailbox) AND pair IN (sqlc.arg(pair), sqlc.arg(unseen)) AND state = 6;

-- The compare-and-set of an outcome: nothing is inserted if the pair is not
-- claimed. No conflict is allowed: that a settled pair is settled again is what
-- the primary key makes impossible, whatever our code does. failed is 1 if this
-- is a failed try, else 0.
-- name: Settle :execrows
INSERT INTO entries (mailbox, pair, state, absent, attempts, day)
SELECT c.mailbox, c.pair, sqlc.arg(state), c.absent, c.attempts + CAST(sqlc.arg(failed) AS INTEGER), CAST(sqlc.arg(day) AS INTEGER)
FROM claims AS c
WHERE c.mailbox = sqlc.arg(mailbox) AND c.pair = sqlc.arg(pair);

-- name: DropClaim :exec
DELETE FROM claims
WHERE mailbox = ? AND pair = ?;

-- The compare-and-set of an outcome without a claim.
-- name: Record :execrows
INSERT INTO entries (mailbox, pair, state, day, absent, attempts)
SELECT
    sqlc.arg(mailbox), sqlc.arg(pair), sqlc.arg(state), CAST(sqlc.arg(day) AS INTEGER), 0,
    CAST(sqlc.arg(failed) AS INTEGER) + coalesce((
        SELECT sum(e.attempts)
        FROM entries AS e
        WHERE e.mailbox = sqlc.arg(mailbox) AND e.pair = sqlc.arg(unseen) AND e.pair <> sqlc.arg(pair) AND e.state = 6), 0)
WHERE NOT EXISTS (
    SELECT 1
    FROM claims AS c
    WHERE c.mailbox = sqlc.arg(mailbox) AND c.pair = sqlc.arg(pair))
ON CONFLICT (mailbox, pair) DO UPDATE
SET state = excluded.state, day = excluded.day, absent = 0, attempts = entries.attempts + excluded.attempts
WHERE entries.state = 6;

-- name: InsertAudit :exec
INSERT INTO audit (id, mailbox, domain, status, reason, size, pair)
VALUES (?, ?, ?, ?, ?, ?, nullif(CAST(? AS BLOB), x''));

-- name: CountImported :exec
INSERT INTO totals (mailbox, messages, octets)
VALUES (?, 1, ?)
ON CONFLICT (mailbox) DO UPDATE
SET messages = totals.messages + 1, octets = totals.octets + excluded.octets;

-- name: ClaimedSession :one
SELECT session
FROM claims
WHERE mailbox = ? AND pair = ?;

-- The new session has stored nothing yet: the old one's checkpoint ends with it.
-- name: RenewSession :exec
UPDATE claims
SET session = ?, checkpoint_offset = 0, checkpoint_sum = x''
WHERE mailbox = ? AND pair = ?;

-- name: SetCheckpoint :execrows
UPDATE claims
SET checkpoint_offset = ?, checkpoint_sum = ?
WHERE mailbox = ? AND pair = ?;

-- name: Entries :many
SELECT pair, state, absent, attempts, day
FROM entries
WHERE entries.mailbox = sqlc.arg(mailbox)
UNION ALL
SELECT pair, 1, absent, attempts, 0
FROM claims
WHERE claims.mailbox = sqlc.arg(mailbox);

-- name: Claims :many
SELECT pair, session, verdict, domain, size, checkpoint_offset, checkpoint_sum, attempts, at
FROM claims
WHERE mailbox = ?
ORDER BY at;
