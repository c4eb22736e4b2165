-- The statements of an import, each for many messages of one user. A batch of
-- them shares one transaction, which began by sharing a lock on the fence; fenced
-- is the epoch under which the writers own the user, and under another nothing is
-- read, so nothing is written.

-- The numbers of a mailbox and the like.
-- name: MailboxNumber :one
SELECT n
FROM mailboxes
WHERE id = $1;

-- The compare-and-set of claims: nothing is inserted where the pair is claimed or
-- settled. Failed tries (6) of the pair, and of the same id before its header was
-- seen (unseen), are counted on, and leave entries: a message is there or here.
-- name: Claim :many
WITH i AS MATERIALIZED (
    SELECT
        unnest(sqlc.arg(mailboxes)::integer[]) AS mailbox, unnest(sqlc.arg(pairs)::bytea[]) AS pair,
        unnest(sqlc.arg(unseens)::bytea[]) AS unseen, unnest(sqlc.arg(sessions)::bytea[]) AS session,
        unnest(sqlc.arg(abouts)::bytea[]) AS about, unnest(sqlc.arg(sizes)::bigint[]) AS size,
        unnest(sqlc.arg(offsets)::bigint[]) AS checkpoint_offset, unnest(sqlc.arg(sums)::bytea[]) AS checkpoint_sum,
        unnest(sqlc.arg(ats)::bigint[]) AS at
    WHERE (SELECT f.epoch FROM fences AS f WHERE f.user_id = app_user()) = sqlc.arg(fenced)::bigint
), claimed AS (
    INSERT INTO claims (mailbox, pair, session, about, size, checkpoint_offset, checkpoint_sum, at, attempts, absent)
    SELECT
        i.mailbox, i.pair, i.session, i.about, i.size, i.checkpoint_offset, i.checkpoint_sum, i.at,
        coalesce((
            SELECT sum(e.attempts)
            FROM entries AS e
            WHERE e.mailbox = i.mailbox AND e.pair IN (i.pair, i.unseen) AND e.state = 6), 0),
        false
    FROM i
    WHERE NOT EXISTS (
        SELECT 1
        FROM entries AS e
        WHERE e.mailbox = i.mailbox AND e.pair = i.pair AND e.state <> 6)
    ON CONFLICT (mailbox, pair) DO NOTHING
    RETURNING mailbox, pair
), gone AS (
    DELETE FROM entries AS e
    USING i
    JOIN claimed AS c ON c.mailbox = i.mailbox AND c.pair = i.pair
    WHERE e.mailbox = i.mailbox AND e.pair IN (i.pair, i.unseen) AND e.state = 6
)
SELECT mailbox, pair
FROM claimed;

-- The compare-and-set of outcomes: nothing is inserted where the pair is not
-- claimed. No conflict is allowed: that a settled pair is settled again is what
-- the primary key makes impossible, whatever our code does. failed is 1 for a
-- failed try, else 0. What is imported (2) keeps no pair in its line.
-- name: Settle :many
WITH i AS MATERIALIZED (
    SELECT
        unnest(sqlc.arg(mailboxes)::integer[]) AS mailbox, unnest(sqlc.arg(pairs)::bytea[]) AS pair,
        unnest(sqlc.arg(states)::smallint[]) AS state, unnest(sqlc.arg(failed)::integer[]) AS failed,
        unnest(sqlc.arg(lines)::uuid[]) AS line, unnest(sqlc.arg(sizes)::bigint[]) AS size,
        unnest(sqlc.arg(domains)::bigint[]) AS domain, unnest(sqlc.arg(reasons)::bigint[]) AS reason
    WHERE (SELECT f.epoch FROM fences AS f WHERE f.user_id = app_user()) = sqlc.arg(fenced)::bigint
), ended AS (
    DELETE FROM claims AS c
    USING i
    WHERE c.mailbox = i.mailbox AND c.pair = i.pair
    RETURNING c.mailbox, c.pair, c.absent, c.attempts
), done AS (
    SELECT i.*, e.absent, e.attempts
    FROM ended AS e
    JOIN i ON i.mailbox = e.mailbox AND i.pair = e.pair
), settled AS (
    INSERT INTO entries (mailbox, pair, state, absent, attempts)
    SELECT mailbox, pair, state, absent, attempts + failed
    FROM done
), logged AS (
    INSERT INTO audit (id, mailbox, status, size, domain, reason, pair)
    SELECT line, mailbox, state, size, domain, nullif(reason, 0), CASE WHEN state <> 2 THEN pair END
    FROM done
), counted AS (
    INSERT INTO totals (mailbox, messages, octets)
    SELECT mailbox, count(*), sum(size)
    FROM done
    WHERE state = 2
    GROUP BY mailbox
    ON CONFLICT (mailbox) DO UPDATE
    SET messages = totals.messages + excluded.messages, octets = totals.octets + excluded.octets
)
SELECT mailbox, pair
FROM done;

-- The compare-and-set of outcomes without a claim.
-- name: Record :many
WITH i AS MATERIALIZED (
    SELECT
        unnest(sqlc.arg(mailboxes)::integer[]) AS mailbox, unnest(sqlc.arg(pairs)::bytea[]) AS pair,
        unnest(sqlc.arg(unseens)::bytea[]) AS unseen,
        unnest(sqlc.arg(states)::smallint[]) AS state, unnest(sqlc.arg(failed)::integer[]) AS failed,
        unnest(sqlc.arg(lines)::uuid[]) AS line, unnest(sqlc.arg(sizes)::bigint[]) AS size,
        unnest(sqlc.arg(domains)::bigint[]) AS domain, unnest(sqlc.arg(reasons)::bigint[]) AS reason
    WHERE (SELECT f.epoch FROM fences AS f WHERE f.user_id = app_user()) = sqlc.arg(fenced)::bigint
), recorded AS (
    INSERT INTO entries (mailbox, pair, state, absent, attempts)
    SELECT
        i.mailbox, i.pair, i.state, false,
        i.failed + coalesce((
            SELECT e.attempts
            FROM entries AS e
            WHERE e.mailbox = i.mailbox AND e.pair = i.unseen AND e.pair <> i.pair AND e.state = 6), 0)
    FROM i
    WHERE NOT EXISTS (
        SELECT 1
        FROM claims AS c
        WHERE c.mailbox = i.mailbox AND c.pair = i.pair)
    ON CONFLICT (mailbox, pair) DO UPDATE
    SET state = excluded.state, absent = false, attempts = entries.attempts + excluded.attempts
    WHERE entries.state = 6
    RETURNING mailbox, pair
), done AS (
    SELECT i.*
    FROM i
    JOIN recorded AS r ON r.mailbox = i.mailbox AND r.pair = i.pair
), gone AS (
    DELETE FROM entries AS e
    USING done AS d
    WHERE e.mailbox = d.mailbox AND e.pair = d.unseen AND d.unseen <> d.pair AND e.state = 6
), logged AS (
    INSERT INTO audit (id, mailbox, status, size, domain, reason, pair)
    SELECT line, mailbox, state, size, domain, nullif(reason, 0), CASE WHEN state <> 2 THEN pair END
    FROM done
), counted AS (
    INSERT INTO totals (mailbox, messages, octets)
    SELECT mailbox, count(*), sum(size)
    FROM done
    WHERE state = 2
    GROUP BY mailbox
    ON CONFLICT (mailbox) DO UPDATE
    SET messages = totals.messages + excluded.messages, octets = totals.octets + excluded.octets
)
SELECT mailbox, pair
FROM done;

-- Words of the log that are not there yet, or not of this day.
-- name: AddWords :exec
INSERT INTO words (mailbox, hash, seen, word)
SELECT
    unnest(sqlc.arg(mailboxes)::integer[]), unnest(sqlc.arg(hashes)::bigint[]), unnest(sqlc.arg(days)::integer[]),
    unnest(sqlc.arg(sealed)::bytea[])
ON CONFLICT (mailbox, hash) DO UPDATE
SET seen = excluded.seen
WHERE words.seen < excluded.seen;

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
