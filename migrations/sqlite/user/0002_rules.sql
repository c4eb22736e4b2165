-- What a user wants done with mail by its header.

-- +goose Up

-- The modules that he has uploaded, by the digest of the file (SHA-256).
CREATE TABLE modules (
    digest   BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    manifest TEXT    NOT NULL, -- JSON, as it is in the module
    wasm     BLOB    NOT NULL,
    added    INTEGER NOT NULL
) STRICT;

CREATE TABLE rules (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    position   INTEGER NOT NULL, -- from 1, without gaps
    name       TEXT    NOT NULL,
    plugin     TEXT    NOT NULL, -- name of a shipped one, or the digest of a module in hexadecimal
    config     TEXT    NOT NULL, -- JSON
    everywhere INTEGER NOT NULL, -- for all mailboxes; else for those in rule_mailboxes
    enabled    INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    runs       INTEGER NOT NULL DEFAULT 0, -- messages that it was asked about
    failures   INTEGER NOT NULL DEFAULT 0, -- of these
    fault      TEXT    NOT NULL DEFAULT '' -- plugins.Class of the last
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_mailboxes (
    rule    BLOB    NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (n),
    PRIMARY KEY (rule, mailbox)
) STRICT, WITHOUT ROWID;

CREATE INDEX rule_mailboxes_by_mailbox ON rule_mailboxes (mailbox);

PRAGMA user_version = 2;
