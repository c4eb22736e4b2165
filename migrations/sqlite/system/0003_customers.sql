-- Whose customer it is of which an event tells, and when he is to be fetched.

-- +goose Up
CREATE TABLE customers (
    hash    BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- keyed, of the name that he has there
    user_id BLOB    NOT NULL UNIQUE REFERENCES users (id),
    due     INTEGER NOT NULL                                        -- Unix nanoseconds, 0: when something happens
) STRICT, WITHOUT ROWID;

CREATE INDEX customers_by_due ON customers (due) WHERE due > 0;

PRAGMA user_version = 3;
