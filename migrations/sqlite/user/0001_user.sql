-- One user's database. The file is the boundary between users, so no row says
-- whose it is. Times are in Unix nanoseconds, ids and keys are raw octets.

-- +goose Up

-- Who owns the store now: every write is checked against it.
CREATE TABLE fence (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO fence (one, epoch) VALUES (1, 0);

-- Numbers are never used twice (AUTOINCREMENT): a handle on a wiped mailbox
-- must not find another in its place.
CREATE TABLE mailboxes (
    n            INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    protocol     TEXT    NOT NULL,
    host         TEXT    NOT NULL, -- lower case
    service      INTEGER NOT NULL, -- 0: the protocol's standard ports, which lead to one maildrop; else the port
    username     TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    port         INTEGER NOT NULL,
    security     TEXT    NOT NULL,
    password     BLOB,             -- sealed; none where it is given each time
    folders      TEXT    NOT NULL, -- JSON
    label        TEXT    NOT NULL,
    archive      INTEGER NOT NULL,
    after_import TEXT    NOT NULL,
    history      TEXT    NOT NULL,
    since        INTEGER NOT NULL, -- 0: none
    newest_first INTEGER NOT NULL,
    poll_every   INTEGER NOT NULL, -- nanoseconds, 0: the default
    created      INTEGER NOT NULL,
    UNIQUE (protocol, host, service, username)
) STRICT;

-- What is remembered of a mailbox between two passes (schedule.State), made and
-- wiped with it. Phase, until and every are in the system database as well, for
-- the wheel; here they are the truth.
CREATE TABLE schedule (
    mailbox          INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (n),
    phase            INTEGER NOT NULL DEFAULT 0 CHECK (phase <> 1), -- schedule.Phase, never Syncing
    until            INTEGER NOT NULL DEFAULT 0,
    every            INTEGER NOT NULL DEFAULT 0, -- nanoseconds
    code             TEXT    NOT NULL DEFAULT '', -- of the reason
    detail           TEXT    NOT NULL DEFAULT '',
    help             TEXT    NOT NULL DEFAULT '',
    class            INTEGER NOT NULL DEFAULT 0, -- mail.Class
    failures         INTEGER NOT NULL DEFAULT 0,
    failing_since    INTEGER NOT NULL DEFAULT 0,
    floor            INTEGER NOT NULL DEFAULT 0, -- nanoseconds
    last_sync        INTEGER NOT NULL DEFAULT 0,
    digest           BLOB, -- of the last listing that left nothing to do; x'00': none is taken until a pass begins
    backlog_messages INTEGER NOT NULL DEFAULT 0,
    backlog_bytes    INTEGER NOT NULL DEFAULT 0,
    backlog_eta      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What became of each message, by the pair of its keys, id and content: the
-- pair is unique, neither of them alone. A message is here or in claims.
CREATE TABLE entries (
    mailbox  INTEGER NOT NULL REFERENCES mailboxes (n),
    pair     BLOB    NOT NULL CHECK (length(pair) = 32),
    state    INTEGER NOT NULL, -- ledger.State, never Claimed
    absent   INTEGER NOT NULL,
    attempts INTEGER NOT NULL, -- failed tries; from 1048576 on: and its user wants it, whatever a rule says
    PRIMARY KEY (mailbox, pair)
) STRICT, WITHOUT ROWID;

-- Most are imported (2), and those are counted in totals; the others are few.
CREATE INDEX entries_not_imported ON entries (mailbox, state) WHERE state <> 2;

-- What a mailbox has brought so far, longer than the audit log is kept.
CREATE TABLE totals (
    mailbox  INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (n),
    messages INTEGER NOT NULL,
    octets   INTEGER NOT NULL
) STRICT;

-- What is on its way. These rows are wide, few and soon gone; in a table of
-- their own they touch few pages, and entries stay narrow.
-- By rowid, since a page without holds four rows at most: the session of any
-- longer one would have a page of its own.
CREATE TABLE claims (
    mailbox           INTEGER NOT NULL REFERENCES mailboxes (n),
    pair              BLOB    NOT NULL CHECK (length(pair) = 32),
    session           BLOB    NOT NULL, -- sealed: whoever has it can upload
    verdict           TEXT    NOT NULL, -- JSON
    domain            TEXT    NOT NULL,
    size              INTEGER NOT NULL,
    checkpoint_offset INTEGER NOT NULL,
    checkpoint_sum    BLOB    NOT NULL,
    attempts          INTEGER NOT NULL,
    absent            INTEGER NOT NULL,
    at                INTEGER NOT NULL,
    PRIMARY KEY (mailbox, pair)
) STRICT;

-- The audit log: a closed set of columns. The id is a UUIDv7 and holds the time.
CREATE TABLE audit (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    mailbox INTEGER NOT NULL,
    domain  TEXT    NOT NULL,
    status  INTEGER NOT NULL, -- ledger.State
    reason  TEXT    NOT NULL,
    size    INTEGER NOT NULL,
    pair    BLOB    CHECK (length(pair) = 32) -- the entry, where its user may decide about it; of what is imported none
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_by_pair ON audit (pair) WHERE pair IS NOT NULL;
CREATE INDEX audit_by_mailbox ON audit (mailbox, id);
-- Most lines are imported (2); the others are what people look for.
CREATE INDEX audit_by_status ON audit (status, id) WHERE status <> 2;

-- What Google gave. When it has ended nothing of it is left but that.
CREATE TABLE grants (
    one           INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    status        TEXT    NOT NULL CHECK (status IN ('active', 'incomplete', 'revoked')),
    refresh_token BLOB, -- sealed; none if it is of no use, or has ended
    scopes        TEXT    NOT NULL, -- JSON
    granted_at    INTEGER NOT NULL,
    CHECK (status <> 'revoked' OR refresh_token IS NULL AND scopes = '[]' AND granted_at = 0)
) STRICT;

-- Who the user is to Google. It goes with the grant; a sign-in brings it again.
CREATE TABLE person (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    email BLOB    NOT NULL, -- sealed
    sub   BLOB    NOT NULL  -- sealed
) STRICT;

-- What the user chose.
CREATE TABLE profile (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    created   INTEGER NOT NULL,
    locale    TEXT    NOT NULL DEFAULT '',
    time_zone TEXT    NOT NULL DEFAULT '',
    notices   TEXT    NOT NULL DEFAULT ''  -- a JSON object, or empty
) STRICT;

-- Requests that are not to be done twice, for a day.
CREATE TABLE requests (
    key      BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 32),     -- keyed hash of the idempotency key
    request  BLOB    NOT NULL CHECK (length(request) = 32),             -- keyed hash of the request
    at       INTEGER NOT NULL,
    status   INTEGER NOT NULL, -- HTTP's; 0: it is being answered
    resource TEXT    NOT NULL  -- id of what was made
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
