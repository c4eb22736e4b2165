-- What is behind a user's door. Each row says whose it is, and row-level security
-- shows a transaction the rows of the one user that it has named (app.user_id),
-- also to the owner of the tables. Without a name there is nothing to see.
--
-- What could tell something about a person, or about a mailbox, is sealed: under
-- the mailbox's key, which ends with its salt, or else under the user's. The
-- columns in the clear are ids, keyed hashes, times, sizes and codes of ours. So
-- a copy of this database of before a wipe is noise after it.

-- +goose Up

-- The user of the transaction, or NULL. In a policy it stands in a subselect, so
-- that it is asked once for a statement and not for each row.
-- +goose StatementBegin
CREATE FUNCTION app_user() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.user_id', true), '')::uuid;
-- +goose StatementEnd

-- Numbers are never used twice: a handle on a wiped mailbox must not find another
-- in its place. There is no key of host and user name, which could be guessed
-- from a copy: that a maildrop is there once is checked under a lock on profile.
CREATE TABLE mailboxes (
    n        integer NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id       uuid    NOT NULL UNIQUE,
    user_id  uuid    NOT NULL DEFAULT app_user() REFERENCES users (id),
    settings bytea   NOT NULL, -- sealed JSON: all but the password
    password bytea,            -- sealed; none where it is given each time
    created  bigint  NOT NULL,
    UNIQUE (user_id, n) -- what refers to a mailbox says whose it is, and must be right
);

-- What is remembered of a mailbox between two passes (schedule.State), made and
-- wiped with it. Phase, until and every are in the wheel as well; here they are
-- the truth.
CREATE TABLE schedule (
    mailbox          integer  NOT NULL PRIMARY KEY,
    user_id          uuid     NOT NULL DEFAULT app_user(),
    phase            smallint NOT NULL DEFAULT 0 CHECK (phase <> 1), -- schedule.Phase, never Syncing
    until            bigint   NOT NULL DEFAULT 0,
    every            bigint   NOT NULL DEFAULT 0, -- nanoseconds
    code             text     NOT NULL DEFAULT '', -- of the reason
    reason           bytea,                        -- sealed JSON: its detail and help; none: both are empty
    class            integer  NOT NULL DEFAULT 0, -- mail.Class
    failures         bigint   NOT NULL DEFAULT 0,
    failing_since    bigint   NOT NULL DEFAULT 0,
    floor            bigint   NOT NULL DEFAULT 0, -- nanoseconds
    undone           bigint   NOT NULL DEFAULT 0, -- passes in a row in which the source did not do what was asked of it
    asked            bigint   NOT NULL DEFAULT 0, -- when it was asked last
    accepted         boolean  NOT NULL DEFAULT false, -- its user lets it go on after a mass change
    last_sync        bigint   NOT NULL DEFAULT 0,
    digest           bytea, -- of the last listing that left nothing to do; '\x00': none is taken until a pass begins
    backlog_messages bigint   NOT NULL DEFAULT 0,
    backlog_bytes    bigint   NOT NULL DEFAULT 0,
    backlog_eta      bigint   NOT NULL DEFAULT 0,
    FOREIGN KEY (user_id, mailbox) REFERENCES mailboxes (user_id, n)
) WITH (fillfactor = 70);

-- What a provider gave for a mailbox in place of a password.
CREATE TABLE consents (
    mailbox  integer NOT NULL PRIMARY KEY,
    user_id  uuid    NOT NULL DEFAULT app_user(),
    provider text    NOT NULL, -- of a closed list of ours
    refresh  bytea,            -- sealed; none: its user has still to say yes
    access   bytea,            -- sealed
    ends     bigint  NOT NULL, -- of access
    FOREIGN KEY (user_id, mailbox) REFERENCES mailboxes (user_id, n)
);

-- What became of each message, by the pair of its keys, id and content: the
-- pair is unique, neither of them alone. A message is here or in claims.
CREATE TABLE entries (
    mailbox  integer  NOT NULL,
    state    smallint NOT NULL CHECK (state BETWEEN 2 AND 6), -- ledger.State, never Claimed
    day      integer  NOT NULL DEFAULT floor(extract(epoch FROM now()) / 86400)::integer, -- ledger.Day, when it came into this state
    absent   boolean  NOT NULL,
    attempts integer  NOT NULL, -- failed tries; from 1048576 on: and its user wants it, whatever a rule says
    user_id  uuid     NOT NULL DEFAULT app_user(),
    pair     bytea    NOT NULL CHECK (octet_length(pair) = 32),
    PRIMARY KEY (mailbox, pair),
    FOREIGN KEY (user_id, mailbox) REFERENCES mailboxes (user_id, n)
);

-- Most are imported (2), and those are counted in totals; the others are few.
CREATE INDEX entries_not_imported ON entries (mailbox, state) WHERE state <> 2;

-- What a mailbox has brought so far, longer than the audit log is kept.
CREATE TABLE totals (
    mailbox  integer NOT NULL PRIMARY KEY,
    user_id  uuid    NOT NULL DEFAULT app_user(),
    messages bigint  NOT NULL,
    octets   bigint  NOT NULL,
    FOREIGN KEY (user_id, mailbox) REFERENCES mailboxes (user_id, n)
) WITH (fillfactor = 50);

-- What is on its way.
CREATE TABLE claims (
    mailbox           integer NOT NULL,
    user_id           uuid    NOT NULL DEFAULT app_user(),
    pair              bytea   NOT NULL CHECK (octet_length(pair) = 32),
    session           bytea   NOT NULL, -- sealed: whoever has it can upload
    about             bytea   NOT NULL, -- sealed JSON: verdict, domain
    size              bigint  NOT NULL,
    checkpoint_offset bigint  NOT NULL,
    checkpoint_sum    bytea   NOT NULL,
    attempts          integer NOT NULL,
    absent            boolean NOT NULL,
    at                bigint  NOT NULL,
    PRIMARY KEY (mailbox, pair),
    FOREIGN KEY (user_id, mailbox) REFERENCES mailboxes (user_id, n)
);

-- The words of a mailbox's audit log, sender domains and reasons, each sealed
-- once. Lines name them by the first octets of a hash under the mailbox's key. A
-- word goes when it was last written down longer ago than lines are kept.
CREATE TABLE words (
    mailbox integer NOT NULL,
    user_id uuid    NOT NULL DEFAULT app_user(),
    hash    bigint  NOT NULL,
    seen    integer NOT NULL, -- day, counted from 1970, of the last line with it or a later one
    word    bytea   NOT NULL, -- sealed
    PRIMARY KEY (mailbox, hash),
    FOREIGN KEY (user_id, mailbox) REFERENCES mailboxes (user_id, n)
);

-- The audit log: a closed set of columns. The id is a UUIDv7 and holds the time,
-- so a month is a range of ids. The order of the columns leaves no gaps: there
-- are many of these rows. One index, by mailbox, serves the log of a user too,
-- who has few.
CREATE TABLE audit (
    size    bigint   NOT NULL,
    domain  bigint   NOT NULL, -- words.hash
    reason  bigint,            -- words.hash; none: there is no reason
    id      uuid     NOT NULL,
    user_id uuid     NOT NULL DEFAULT app_user(),
    mailbox integer  NOT NULL,
    status  smallint NOT NULL, -- ledger.State
    pair    bytea    CHECK (octet_length(pair) = 32), -- the entry, where its user may decide about it; of what is imported none
    PRIMARY KEY (mailbox, id)
) PARTITION BY RANGE (id);

CREATE INDEX audit_by_pair ON audit (mailbox, pair) WHERE pair IS NOT NULL;
-- Most lines are imported (2); the others are what people look for.
CREATE INDEX audit_by_status ON audit (mailbox, status, id) WHERE status <> 2;

-- What Google gave. When it has ended nothing of it is left but that.
CREATE TABLE grants (
    user_id       uuid   NOT NULL DEFAULT app_user() PRIMARY KEY REFERENCES users (id),
    status        text   NOT NULL CHECK (status IN ('active', 'incomplete', 'revoked')),
    refresh_token bytea, -- sealed; none if it is of no use, or has ended
    scopes        text   NOT NULL, -- JSON
    granted_at    bigint NOT NULL,
    CHECK (status <> 'revoked' OR refresh_token IS NULL AND scopes = '[]' AND granted_at = 0)
);

-- Who the user is to Google. It goes with the grant; a sign-in brings it again.
CREATE TABLE person (
    user_id uuid  NOT NULL DEFAULT app_user() PRIMARY KEY REFERENCES users (id),
    email   bytea NOT NULL, -- sealed
    sub     bytea NOT NULL  -- sealed
);

-- What the user chose. Every user has this row: to change what there can be one
-- of only, lock it first.
CREATE TABLE profile (
    user_id uuid   NOT NULL DEFAULT app_user() PRIMARY KEY REFERENCES users (id),
    created bigint NOT NULL,
    choices bytea            -- sealed JSON: locale, time zone, notices; none: nothing was chosen
);

-- Requests that are not to be done twice, for a day.
CREATE TABLE requests (
    user_id  uuid    NOT NULL DEFAULT app_user() REFERENCES users (id),
    key      bytea   NOT NULL CHECK (octet_length(key) = 32),     -- keyed hash of the idempotency key
    request  bytea   NOT NULL CHECK (octet_length(request) = 32), -- keyed hash of the request
    at       bigint  NOT NULL,
    status   integer NOT NULL, -- HTTP's; 0: it is being answered
    resource text    NOT NULL, -- id of what was made
    PRIMARY KEY (user_id, key)
);

-- The modules that a user has uploaded.
CREATE TABLE modules (
    user_id  uuid    NOT NULL DEFAULT app_user() REFERENCES users (id),
    digest   bytea   NOT NULL CHECK (octet_length(digest) = 32), -- keyed hash of the file's SHA-256
    manifest bytea   NOT NULL, -- sealed JSON, as it is in the module, with the SHA-256
    wasm     bytea   NOT NULL, -- sealed
    size     integer NOT NULL, -- octets of the file
    added    bigint  NOT NULL,
    PRIMARY KEY (user_id, digest)
);

CREATE TABLE rules (
    id         uuid    NOT NULL PRIMARY KEY,
    user_id    uuid    NOT NULL DEFAULT app_user() REFERENCES users (id),
    position   integer NOT NULL, -- from 1, without gaps
    settings   bytea   NOT NULL, -- sealed JSON: name, plugin, config
    everywhere boolean NOT NULL, -- for all mailboxes; else for those in rule_mailboxes
    enabled    boolean NOT NULL,
    created    bigint  NOT NULL,
    runs       bigint  NOT NULL DEFAULT 0, -- messages that it was asked about
    failures   bigint  NOT NULL DEFAULT 0, -- of these
    fault      text    NOT NULL DEFAULT '' -- plugins.Class of the last
);

CREATE INDEX rules_of_user ON rules (user_id, position);

CREATE TABLE rule_mailboxes (
    rule    uuid    NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    mailbox integer NOT NULL,
    user_id uuid    NOT NULL DEFAULT app_user(),
    PRIMARY KEY (rule, mailbox),
    FOREIGN KEY (user_id, mailbox) REFERENCES mailboxes (user_id, n)
);

CREATE INDEX rule_mailboxes_by_mailbox ON rule_mailboxes (mailbox);

-- Puts a table behind the door. A partition is one too: rows of its parent that
-- are reached through it are not under the parent's policy.
-- +goose StatementBegin
CREATE PROCEDURE behind_door(t regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY own ON %s USING (user_id = (SELECT public.app_user())) WITH CHECK (user_id = (SELECT public.app_user()))', t);
END
$$;
-- +goose StatementEnd

-- The first id that a UUIDv7 of a time can have.
-- +goose StatementBegin
CREATE FUNCTION first_id(at timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT
    RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
-- +goose StatementEnd

-- Makes the partitions of the audit log from the month of one time to that of
-- another, and drops those that end before a third. Called by the service, which
-- owns no table; whoever waits for the log's lock longer than two seconds tries
-- again another time.
-- +goose StatementBegin
CREATE FUNCTION keep_audit(since timestamptz, until timestamptz, forget timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    SET lock_timeout = '2s'
    SET timezone = 'UTC'
AS $$
DECLARE
    month timestamptz := date_trunc('month', since);
    name text;
    changed integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('smtp-sync keep_audit'));
    WHILE month <= until LOOP
        name := 'audit_' || to_char(month, 'YYYY_MM');
        IF to_regclass('public.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.audit FOR VALUES FROM (%L) TO (%L)',
                name, public.first_id(month), public.first_id(month + interval '1 month'));
            CALL public.behind_door(('public.' || name)::regclass);
            changed := changed + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    FOR name IN
        SELECT c.relname
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.audit'::regclass
            AND c.relname ~ '^audit_[0-9]{4}_[0-9]{2}$'
            AND to_timestamp(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= forget
    LOOP
        EXECUTE format('DROP TABLE public.%I', name);
        changed := changed + 1;
    END LOOP;
    RETURN changed;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION keep_audit(timestamptz, timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON PROCEDURE behind_door(regclass) FROM PUBLIC;

-- A line is never lost for want of a month.
CREATE TABLE audit_rest PARTITION OF audit DEFAULT;

-- +goose StatementBegin
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['mailboxes', 'schedule', 'consents', 'entries', 'totals', 'claims', 'words', 'audit', 'audit_rest',
        'grants', 'person', 'profile', 'requests', 'modules', 'rules', 'rule_mailboxes']
    LOOP
        CALL behind_door(t::regclass);
    END LOOP;
END
$$;
-- +goose StatementEnd
