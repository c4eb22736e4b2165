-- The system database knows who there is and what the day has cost, and
-- nothing about a person: users are found by a keyed hash.

-- +goose Up
CREATE TABLE users (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    subject BLOB    NOT NULL UNIQUE CHECK (length(subject) = 32), -- keyed hash
    created INTEGER NOT NULL,                                     -- Unix time
    wiping  INTEGER NOT NULL DEFAULT 0                            -- 1: the key is being destroyed; finish it
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
