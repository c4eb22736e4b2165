-- Whose word on where a mail comes from is believed.

-- +goose Up

-- The names, with spaces between, under which servers that the user trusts
-- write Authentication-Results (RFC 8601 s5) on the mail of a mailbox.
ALTER TABLE mailboxes ADD COLUMN authserv TEXT NOT NULL DEFAULT '';

PRAGMA user_version = 3;
