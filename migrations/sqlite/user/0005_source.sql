-- What is done at the source some days after the import, and what the source
-- does not do.

-- +goose Up

-- When a message came into its state, in days since 1970-01-01. What is known
-- already counts from this release on: later than it was, never earlier.
ALTER TABLE entries ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
UPDATE entries SET day = unixepoch() / 86400;

-- Passes in a row in which the source did not do what was asked of it, and when
-- it was asked last.
ALTER TABLE schedule ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE schedule ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 5;
