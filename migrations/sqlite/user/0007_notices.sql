-- What the user was told, and what he is still to be told. No address, no name
-- and no text is here: they are looked up when something is sent.

-- +goose Up

-- About no mailbox.
CREATE TABLE told (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    state TEXT    NOT NULL -- JSON: notify.Told
) STRICT;

CREATE TABLE incidents (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (n),
    state   TEXT    NOT NULL -- JSON: notify.Incident
) STRICT;

-- What is not delivered yet. The id is a UUIDv7: the oldest comes first.
CREATE TABLE notices (
    id    BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    state TEXT NOT NULL -- JSON: notify.Notice
) STRICT, WITHOUT ROWID;

CREATE TABLE notice_mailboxes (
    notice  BLOB    NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (n),
    state   TEXT    NOT NULL, -- JSON: notify.About
    PRIMARY KEY (notice, mailbox)
) STRICT, WITHOUT ROWID;

CREATE INDEX notice_mailboxes_by_mailbox ON notice_mailboxes (mailbox);

PRAGMA user_version = 7;
