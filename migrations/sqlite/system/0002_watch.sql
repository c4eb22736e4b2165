-- When each user is to be looked at for what there is to tell him. Whom nothing
-- has happened to has no row.

-- +goose Up
CREATE TABLE watch (
    user_id BLOB    NOT NULL PRIMARY KEY REFERENCES users (id),
    at      INTEGER NOT NULL -- Unix nanoseconds
) STRICT, WITHOUT ROWID;

CREATE INDEX watch_by_time ON watch (at);

PRAGMA user_version = 2;
