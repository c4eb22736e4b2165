package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

// TestWhatWasKnownBeforeCountsFromTheUpgradeOn: nothing is deleted at a source
// sooner than was chosen because nobody had noted when it was imported.
func TestWhatWasKnownBeforeCountsFromTheUpgradeOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "user.db")
	db, err := driver.Open("file:"+path, nil)
	ok(t, err)
	defer db.Close()
	before := schema{steps: userSchema.steps[:4], latest: 4}
	ok(t, before.upgrade(t.Context(), db, path))
	for _, statement := range []string{
		`INSERT INTO mailboxes (n, id, protocol, host, service, username, name, port, security, folders, label, archive, after_import, history, since, newest_first, poll_every, created) VALUES (1, zeroblob(16), 'pop3', 'h', 0, 'u', 'n', 995, 'tls', '[]', '', 0, 'leave', 'all', 0, 0, 0, 0)`,
		`INSERT INTO schedule (mailbox) VALUES (1)`,
		`INSERT INTO entries (mailbox, pair, state, absent, attempts) VALUES (1, zeroblob(32), 2, 0, 0)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		ok(t, err)
	}
	today := ledger.DayOf(time.Now())
	ok(t, userSchema.upgrade(t.Context(), db, path))
	var day, undone int
	ok(t, db.QueryRowContext(t.Context(), "SELECT day, undone FROM entries, schedule").Scan(&day, &undone))
	if day < int(today) || day > int(ledger.DayOf(time.Now())) || undone != 0 {
		t.Errorf("day %d, %d undone; it is day %d", day, undone, today)
	}
}
