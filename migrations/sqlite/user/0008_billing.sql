-- How the user stands with the one who bills. Without billing there is no row.

-- +goose Up
CREATE TABLE billing (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    customer BLOB    NOT NULL, -- sealed: his name there
    state    TEXT    NOT NULL  -- JSON: plan.Subscription
) STRICT;

PRAGMA user_version = 8;
