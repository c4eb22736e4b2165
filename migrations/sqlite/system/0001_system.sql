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

PRAGMA user_version = 1;
