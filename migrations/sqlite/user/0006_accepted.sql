-- What a user has answered.

-- +goose Up

-- 1: he has let the mailbox go on after a mass change.
ALTER TABLE schedule ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 6;
