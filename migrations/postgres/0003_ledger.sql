-- The writes of an import, each for many messages of one user. They are functions
-- because the server keeps the plan of what is in one: planned anew for each of a
-- thousand users, these statements take ten times as long, and a statement that is
-- prepared by name does not survive PgBouncer. They run with the rights of who
-- calls them, and so behind the door.
--
-- Each takes arrays of one length and gives the places, from 1, of what it did;
-- fenced is the epoch under which the caller owns the user: under another nothing
-- is read, so nothing is written. The caller holds the fence.

-- +goose Up

-- The compare-and-set of claims: nothing is inserted where the pair is claimed or
-- settled. Failed tries (6) of the pair, and of the same id before its header was
-- seen (unseen), are counted on, and leave entries: a message is there or here.
-- +goose StatementBegin
CREATE FUNCTION ledger_claim(fenced bigint, mailboxes integer[], pairs bytea[], unseens bytea[], sessions bytea[], abouts bytea[],
    sizes bigint[], offsets bigint[], sums bytea[], ats bigint[]) RETURNS integer[]
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    places integer[];
BEGIN
    WITH i AS MATERIALIZED (
        SELECT *
        FROM unnest(mailboxes, pairs, unseens, sessions, abouts, sizes, offsets, sums, ats) WITH ORDINALITY
            AS u (mailbox, pair, unseen, session, about, size, checkpoint_offset, checkpoint_sum, at, place)
        WHERE (SELECT f.epoch FROM fences AS f WHERE f.user_id = app_user()) = fenced
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
    ), done AS (
        SELECT i.mailbox, i.pair, i.unseen, i.place
        FROM i
        JOIN claimed AS c ON c.mailbox = i.mailbox AND c.pair = i.pair
    ), gone AS (
        DELETE FROM entries AS e
        USING done AS d
        WHERE e.mailbox = d.mailbox AND e.pair IN (d.pair, d.unseen) AND e.state = 6
    )
    SELECT coalesce(array_agg(d.place::integer), '{}')
    INTO places
    FROM done AS d;
    RETURN places;
END
$$;
-- +goose StatementEnd

-- The compare-and-set of outcomes: nothing is inserted where the pair is not
-- claimed. No conflict is allowed: that a settled pair is settled again is what
-- the primary key makes impossible, whatever our code does. failed is 1 for a
-- failed try, else 0. What is imported (2) keeps no pair in its line.
-- +goose StatementBegin
CREATE FUNCTION ledger_settle(fenced bigint, mailboxes integer[], pairs bytea[], states smallint[], failed integer[],
    lines uuid[], sizes bigint[], domains bigint[], reasons bigint[]) RETURNS integer[]
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    places integer[];
BEGIN
    WITH i AS MATERIALIZED (
        SELECT *
        FROM unnest(mailboxes, pairs, states, failed, lines, sizes, domains, reasons) WITH ORDINALITY
            AS u (mailbox, pair, state, failed, line, size, domain, reason, place)
        WHERE (SELECT f.epoch FROM fences AS f WHERE f.user_id = app_user()) = fenced
    ), ended AS (
        DELETE FROM claims AS c
        USING i
        WHERE c.mailbox = i.mailbox AND c.pair = i.pair
        RETURNING i.*, c.absent, c.attempts
    ), settled AS (
        INSERT INTO entries (mailbox, pair, state, absent, attempts)
        SELECT e.mailbox, e.pair, e.state, e.absent, e.attempts + e.failed
        FROM ended AS e
    ), logged AS (
        INSERT INTO audit (id, mailbox, status, size, domain, reason, pair)
        SELECT e.line, e.mailbox, e.state, e.size, e.domain, nullif(e.reason, 0), CASE WHEN e.state <> 2 THEN e.pair END
        FROM ended AS e
    ), counted AS (
        INSERT INTO totals (mailbox, messages, octets)
        SELECT e.mailbox, count(*), sum(e.size)
        FROM ended AS e
        WHERE e.state = 2
        GROUP BY e.mailbox
        ON CONFLICT (mailbox) DO UPDATE
        SET messages = totals.messages + excluded.messages, octets = totals.octets + excluded.octets
    )
    SELECT coalesce(array_agg(e.place::integer), '{}')
    INTO places
    FROM ended AS e;
    RETURN places;
END
$$;
-- +goose StatementEnd

-- The compare-and-set of outcomes without a claim.
-- +goose StatementBegin
CREATE FUNCTION ledger_record(fenced bigint, mailboxes integer[], pairs bytea[], unseens bytea[], states smallint[], failed integer[],
    lines uuid[], sizes bigint[], domains bigint[], reasons bigint[]) RETURNS integer[]
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    places integer[];
BEGIN
    WITH i AS MATERIALIZED (
        SELECT *
        FROM unnest(mailboxes, pairs, unseens, states, failed, lines, sizes, domains, reasons) WITH ORDINALITY
            AS u (mailbox, pair, unseen, state, failed, line, size, domain, reason, place)
        WHERE (SELECT f.epoch FROM fences AS f WHERE f.user_id = app_user()) = fenced
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
        SELECT d.line, d.mailbox, d.state, d.size, d.domain, nullif(d.reason, 0), CASE WHEN d.state <> 2 THEN d.pair END
        FROM done AS d
    ), counted AS (
        INSERT INTO totals (mailbox, messages, octets)
        SELECT d.mailbox, count(*), sum(d.size)
        FROM done AS d
        WHERE d.state = 2
        GROUP BY d.mailbox
        ON CONFLICT (mailbox) DO UPDATE
        SET messages = totals.messages + excluded.messages, octets = totals.octets + excluded.octets
    )
    SELECT coalesce(array_agg(d.place::integer), '{}')
    INTO places
    FROM done AS d;
    RETURN places;
END
$$;
-- +goose StatementEnd

-- Words of the log that are not there yet, or not of this day.
-- +goose StatementBegin
CREATE FUNCTION ledger_words(mailboxes integer[], hashes bigint[], days integer[], sealed bytea[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO words AS w (mailbox, hash, seen, word)
    SELECT *
    FROM unnest(mailboxes, hashes, days, sealed)
    ON CONFLICT (mailbox, hash) DO UPDATE
    SET seen = excluded.seen
    WHERE w.seen < excluded.seen;
END
$$;
-- +goose StatementEnd
