-- The system database knows who there is, who is signed in and what the day has
-- cost, and nothing about a person: users, sessions and tokens are found by a
-- keyed hash, and what has a name is sealed under its user's key.

-- +goose Up
CREATE TABLE users (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    subject   BLOB    NOT NULL UNIQUE CHECK (length(subject) = 32), -- keyed hash
    signed_up INTEGER NOT NULL CHECK (signed_up IN (0, 1)),         -- 0: the one of the command line, whom no sign-up counts
    receipt   TEXT    NOT NULL DEFAULT '',                          -- not empty: the key is being destroyed, on this receipt; finish it
    swept     INTEGER NOT NULL                                      -- Unix time at which what had expired was last dropped from the user's database
) STRICT, WITHOUT ROWID;

CREATE INDEX users_by_swept ON users (swept);

-- Web logins. They end when they are not used for a while, or grow old.
CREATE TABLE sessions (
    hash      BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- keyed, of the cookie
    id        BLOB    NOT NULL CHECK (length(id) = 16),
    user_id   BLOB    NOT NULL REFERENCES users (id),
    created   INTEGER NOT NULL, -- Unix time
    last_seen INTEGER NOT NULL, -- Unix time, written once in ten minutes
    client    BLOB    NOT NULL  -- sealed under the user's key
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user_id, id);

-- API tokens.
CREATE TABLE tokens (
    hash      BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- keyed, of the text
    id        BLOB    NOT NULL CHECK (length(id) = 16),
    user_id   BLOB    NOT NULL REFERENCES users (id),
    name      BLOB    NOT NULL, -- sealed under the user's key
    scopes    INTEGER NOT NULL CHECK (scopes > 0), -- session.Scopes
    created   INTEGER NOT NULL, -- Unix time
    expires   INTEGER NOT NULL, -- Unix time
    last_used INTEGER NOT NULL  -- Unix time, written once in ten minutes; 0: never
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_of_user ON tokens (user_id, id);

-- What is used once: OAuth states, ids of security events.
CREATE TABLE used_once (
    hash  BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- keyed, of kind and value
    until INTEGER NOT NULL -- Unix time from which on it would not be accepted anyway
) STRICT, WITHOUT ROWID;

CREATE INDEX used_once_by_end ON used_once (until);

-- What wipes have destroyed. They belong to nobody: who knows the id may read.
CREATE TABLE receipts (
    id            TEXT    NOT NULL PRIMARY KEY,
    of            TEXT    NOT NULL CHECK (of IN ('mailbox', 'grant', 'account')),
    at            INTEGER NOT NULL, -- Unix nanoseconds
    counts        TEXT    NOT NULL, -- JSON: rows by table
    key_destroyed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Wipes that have begun: what is found here at a start is finished.
CREATE TABLE wipes (
    receipt    TEXT NOT NULL PRIMARY KEY,
    of         TEXT NOT NULL CHECK (of IN ('mailbox', 'grant', 'account')),
    user_id    BLOB NOT NULL REFERENCES users (id),
    mailbox_id BLOB NOT NULL CHECK (length(mailbox_id) IN (0, 16)), -- empty: not one mailbox
    counts     TEXT NOT NULL, -- JSON: rows by table, counted before anything was destroyed
    UNIQUE (user_id, of, mailbox_id)
) STRICT, WITHOUT ROWID;

-- What others are still to be told after a wipe. An errand is durable before its
-- user's key is destroyed; with its end, its secret and the key of that are gone.
CREATE TABLE errands (
    receipt  TEXT    NOT NULL,
    what     TEXT    NOT NULL,
    since    INTEGER NOT NULL, -- Unix nanoseconds
    subject  BLOB    NOT NULL CHECK (length(subject) IN (0, 32)), -- keyed hash of whom it is about, while it is pending
    secret   BLOB    NOT NULL, -- sealed under a key of its own; empty when it is not pending
    state    TEXT    NOT NULL CHECK (state IN ('pending', 'done', 'moot', 'failed')),
    key_gone INTEGER NOT NULL CHECK (key_gone IN (0, 1)),
    PRIMARY KEY (receipt, what)
) STRICT, WITHOUT ROWID;

CREATE INDEX errands_pending ON errands (subject) WHERE state = 'pending';
CREATE INDEX errands_ended ON errands (receipt) WHERE state <> 'pending' AND key_gone = 0;

-- The names under which Google may speak of the refresh token that is kept, to
-- find whose it is. There may be one too many, never one too few.
CREATE TABLE grant_marks (
    mark    BLOB NOT NULL CHECK (length(mark) = 32), -- keyed hash
    user_id BLOB NOT NULL REFERENCES users (id),
    PRIMARY KEY (mark, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX grant_marks_of_user ON grant_marks (user_id);

-- News from Google about an account, until it has been acted upon.
CREATE TABLE signals (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind    TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    at      INTEGER NOT NULL, -- Unix nanoseconds
    subject BLOB    NOT NULL CHECK (length(subject) IN (0, 32)), -- keyed hash of whom it is about, or
    mark    BLOB    NOT NULL CHECK (length(mark) IN (0, 32))     -- of a name of the refresh token that it is about
) STRICT, WITHOUT ROWID;

CREATE TABLE quota_day (
    day   TEXT    NOT NULL PRIMARY KEY,
    units INTEGER NOT NULL CHECK (units >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE quota_user_day (
    day     TEXT    NOT NULL,
    user_id BLOB    NOT NULL,
    bytes   INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (day, user_id)
) STRICT, WITHOUT ROWID;

-- When each mailbox is looked at next: what the wheel is filled from at a start.
-- Ids that mean nothing outside, and a keyed hash of the mail server; why a
-- mailbox waits is in its user's database.
CREATE TABLE wheel (
    user_id    BLOB    NOT NULL CHECK (length(user_id) = 16),
    mailbox_id BLOB    NOT NULL CHECK (length(mailbox_id) = 16),
    lane       INTEGER NOT NULL,                     -- keyed hash of host and port
    phase      INTEGER NOT NULL CHECK (phase <> 1),  -- schedule.Phase, never Syncing
    until      INTEGER NOT NULL,                     -- Unix nanoseconds, 0: none
    every      INTEGER NOT NULL,                     -- nanoseconds, 0: the default
    dirty      INTEGER NOT NULL CHECK (dirty IN (0, 1)),
    PRIMARY KEY (user_id, mailbox_id)
) STRICT, WITHOUT ROWID;

-- Those with claims under way, a few among many: they come first at a start.
CREATE INDEX wheel_dirty ON wheel (mailbox_id) WHERE dirty = 1;

PRAGMA user_version = 1;
