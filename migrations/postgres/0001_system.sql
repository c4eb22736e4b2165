-- What belongs to no door of a user: who there is, who is signed in, when each
-- mailbox is due, what the day has cost. Nothing here is about a person: users,
-- sessions and tokens are found by a keyed hash, and what has a name is sealed
-- under its user's key. None of these tables has row-level security.
--
-- Ids are UUIDs. Times are Unix nanoseconds unless a comment says otherwise; only
-- where nodes compare times is it the database's clock (timestamptz).

-- +goose Up
CREATE TABLE users (
    id        uuid    NOT NULL PRIMARY KEY,
    subject   bytea   NOT NULL UNIQUE CHECK (octet_length(subject) = 32), -- keyed hash
    signed_up boolean NOT NULL,            -- false: the one of the command line, whom no sign-up counts
    receipt   text    NOT NULL DEFAULT '', -- not empty: the key is being destroyed, on this receipt; finish it
    swept     bigint  NOT NULL             -- Unix time at which what had expired was last dropped from the user's rows
);

CREATE INDEX users_by_swept ON users (swept);

-- Who owns a user's rows now: every write of a ledger shares a lock on this row
-- and is checked against it, so that a take-over waits for what is being
-- committed and fences what comes later.
CREATE TABLE fences (
    user_id uuid   NOT NULL PRIMARY KEY REFERENCES users (id),
    epoch   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Wrapped keys and sealed salts, where the key store is this database
-- (vault.Shelf): short names, small records.
CREATE TABLE keystore (
    name   text  NOT NULL COLLATE "C" PRIMARY KEY,
    record bytea NOT NULL
);

-- Web logins. They end when they are not used for a while, or grow old.
CREATE TABLE sessions (
    hash      bytea  NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32), -- keyed, of the cookie
    id        uuid   NOT NULL,
    user_id   uuid   NOT NULL REFERENCES users (id),
    created   bigint NOT NULL, -- Unix time
    last_seen bigint NOT NULL, -- Unix time, written once in ten minutes
    client    bytea  NOT NULL  -- sealed under the user's key
);

CREATE INDEX sessions_of_user ON sessions (user_id, id);

-- API tokens.
CREATE TABLE tokens (
    hash      bytea  NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32), -- keyed, of the text
    id        uuid   NOT NULL,
    user_id   uuid   NOT NULL REFERENCES users (id),
    name      bytea  NOT NULL, -- sealed under the user's key
    scopes    bigint NOT NULL CHECK (scopes > 0), -- session.Scopes
    created   bigint NOT NULL, -- Unix time
    expires   bigint NOT NULL, -- Unix time
    last_used bigint NOT NULL  -- Unix time, written once in ten minutes; 0: never
);

CREATE INDEX tokens_of_user ON tokens (user_id, id);

-- What is used once: OAuth states, ids of security events.
CREATE TABLE used_once (
    hash  bytea  NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32), -- keyed, of kind and value
    until bigint NOT NULL -- Unix time from which on it would not be accepted anyway
);

CREATE INDEX used_once_by_end ON used_once (until);

-- What wipes have destroyed. They belong to nobody: who knows the id may read.
CREATE TABLE receipts (
    id            text    NOT NULL PRIMARY KEY,
    of            text    NOT NULL CHECK (of IN ('mailbox', 'grant', 'account')),
    at            bigint  NOT NULL,
    counts        text    NOT NULL, -- JSON: rows by table
    key_destroyed boolean NOT NULL
);

-- Wipes that have begun: what is found here at a start is finished.
CREATE TABLE wipes (
    receipt    text  NOT NULL PRIMARY KEY,
    of         text  NOT NULL CHECK (of IN ('mailbox', 'grant', 'account')),
    user_id    uuid  NOT NULL REFERENCES users (id),
    mailbox_id bytea NOT NULL CHECK (octet_length(mailbox_id) IN (0, 16)), -- empty: not one mailbox
    counts     text  NOT NULL, -- JSON: rows by table, counted before anything was destroyed
    UNIQUE (user_id, of, mailbox_id)
);

-- What others are still to be told after a wipe. An errand is durable before its
-- user's key is destroyed; with its end, its secret and the key of that are gone.
CREATE TABLE errands (
    receipt  text    NOT NULL,
    what     text    NOT NULL,
    since    bigint  NOT NULL,
    subject  bytea   NOT NULL CHECK (octet_length(subject) IN (0, 32)), -- keyed hash of whom it is about, while it is pending
    secret   bytea   NOT NULL, -- sealed under a key of its own; empty when it is not pending
    state    text    NOT NULL CHECK (state IN ('pending', 'done', 'moot', 'failed')),
    key_gone boolean NOT NULL,
    PRIMARY KEY (receipt, what)
);

CREATE INDEX errands_pending ON errands (subject) WHERE state = 'pending';
CREATE INDEX errands_ended ON errands (receipt) WHERE state <> 'pending' AND NOT key_gone;

-- The names under which Google may speak of the refresh token that is kept, to
-- find whose it is. There may be one too many, never one too few.
CREATE TABLE grant_marks (
    mark    bytea NOT NULL CHECK (octet_length(mark) = 32), -- keyed hash
    user_id uuid  NOT NULL REFERENCES users (id),
    PRIMARY KEY (mark, user_id)
);

CREATE INDEX grant_marks_of_user ON grant_marks (user_id);

-- News from Google about an account, until it has been acted upon.
CREATE TABLE signals (
    id      uuid   NOT NULL PRIMARY KEY,
    kind    text   NOT NULL,
    reason  text   NOT NULL,
    at      bigint NOT NULL,
    subject bytea  NOT NULL CHECK (octet_length(subject) IN (0, 32)), -- keyed hash of whom it is about, or
    mark    bytea  NOT NULL CHECK (octet_length(mark) IN (0, 32))     -- of a name of the refresh token that it is about
);

CREATE TABLE quota_day (
    day   text   NOT NULL PRIMARY KEY,
    units bigint NOT NULL CHECK (units >= 0)
) WITH (fillfactor = 50);

CREATE TABLE quota_user_day (
    day     text   NOT NULL,
    user_id uuid   NOT NULL,
    bytes   bigint NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (day, user_id)
) WITH (fillfactor = 80);

-- When each mailbox is looked at next: what the wheel is filled from. Ids that
-- mean nothing outside, and a keyed hash of the mail server; why a mailbox waits
-- is behind its user's door.
CREATE TABLE wheel (
    user_id    uuid     NOT NULL,
    mailbox_id uuid     NOT NULL,
    shard      smallint NOT NULL CHECK (shard BETWEEN 0 AND 4095), -- of the user
    lane       bigint   NOT NULL,                    -- keyed hash of host and port
    phase      smallint NOT NULL CHECK (phase <> 1), -- schedule.Phase, never Syncing
    until      bigint   NOT NULL,                    -- 0: none
    every      bigint   NOT NULL,                    -- nanoseconds, 0: the default
    dirty      boolean  NOT NULL,
    PRIMARY KEY (user_id, mailbox_id)
) WITH (fillfactor = 80);

CREATE INDEX wheel_by_shard ON wheel (shard, user_id, mailbox_id);
-- Those with claims under way, a few among many: they come first at a start.
CREATE INDEX wheel_dirty ON wheel (mailbox_id) WHERE dirty;
