-- What providers gave for mailboxes in place of a password.

-- +goose Up

CREATE TABLE consents (
    mailbox  INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (n),
    provider TEXT    NOT NULL,
    refresh  BLOB,             -- sealed; none: its user has still to say yes
    access   BLOB,             -- sealed
    ends     INTEGER NOT NULL  -- of access
) STRICT;

PRAGMA user_version = 4;
