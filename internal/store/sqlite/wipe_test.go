package sqlite

import (
	"bytes"
	"context"
	"crypto/aes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/xts"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// secrets are markers, each put where one kind of thing is kept.
var secrets = []string{"MARK-password", "MARK-token", "MARK-email", "MARK-session", "mark.domain.example", "MARK-host", "MARK-username", "MARK-subject", "MARK-label"}

func fillWithMarkers(t *testing.T, s *Store) (id.User, *Ledger, id.Mailbox) {
	t.Helper()
	u := newUser(t, s, "MARK-subject")
	box, err := s.EnsureMailbox(t.Context(), u, account.Mailbox{Protocol: "imap", Host: "MARK-host", Port: 993,
		Username: "MARK-username", Password: vault.NewSecret("MARK-password"), Label: "MARK-label"})
	ok(t, err)
	ok(t, s.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret("MARK-token"), Email: "MARK-email", Sub: "MARK-subject"}))
	l := takeLedger(t, s, u, box.ID)
	c := newClaim("MARK-session")
	c.Domain = "mark.domain.example"
	ok(t, l.Claim(t.Context(), c))
	ok(t, l.Record(t.Context(), newKey(), ledger.Outcome{Status: mail.Imported, Domain: "mark.domain.example"}))
	return u, l, box.ID
}

// wantNoMarkers looks through every file below dir.
func wantNoMarkers(t *testing.T, dir string) {
	t.Helper()
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range secrets {
			if bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(m))) {
				t.Errorf("%s holds %s", filepath.Base(path), m)
			}
		}
		return err
	}))
}

func TestNothingIsOnDiskInTheClear(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	fillWithMarkers(t, s)
	wantNoMarkers(t, dir) // in the WALs
	ok(t, s.Close())
	wantNoMarkers(t, dir) // in the databases
}

// TestSecretsAreSealedOnceMore looks at the rows themselves.
func TestSecretsAreSealedOnceMore(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	u, l, box := fillWithMarkers(t, s)
	dump := func() (out string) {
		ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
			for _, q := range []string{"SELECT password FROM mailboxes", "SELECT refresh_token || email || sub FROM grants",
				"SELECT group_concat(session || verdict || domain) FROM claims"} {
				st, _, err := u.conn.Prepare(q)
				if err != nil {
					return err
				}
				for st.Step() {
					out += st.ColumnText(0)
				}
				st.Close()
			}
			return nil
		}))
		return out
	}
	for _, m := range []string{"MARK-password", "MARK-token", "MARK-email", "MARK-subject", "MARK-session"} {
		if strings.Contains(dump(), m) {
			t.Errorf("%s is in a row in the clear", m)
		}
	}
	claims, err := l.Claims(t.Context())
	ok(t, err)
	// A sealed session moved to another row does not open there.
	second := newClaim("x")
	ok(t, l.Claim(t.Context(), second))
	swap := func(sql string) {
		ok(t, s.inUser(t.Context(), u, func(u *userDB) error { return u.conn.Exec(sql) }))
	}
	swap(`UPDATE claims SET session = (SELECT session FROM claims AS c WHERE c.pair <> claims.pair)`)
	if _, err := l.Claims(t.Context()); err == nil {
		t.Error("a session opened in another row")
	}
	ok(t, l.Settle(t.Context(), second.Key, ledger.Outcome{Status: mail.Failed}))
	ok(t, l.Settle(t.Context(), claims[0].Key, ledger.Outcome{Status: mail.Failed}))
	if strings.Contains(dump(), "mark.domain.example") {
		t.Error("a settled entry still has its claim's domain")
	}
	other := newMailbox(t, s, u, "other")
	swap(`UPDATE mailboxes SET password = (SELECT password FROM mailboxes WHERE n = 1)`)
	if _, err := s.Mailboxes(t.Context(), u); err == nil {
		t.Errorf("the password of %v opened as that of %v", box, other)
	}
}

func TestWipedUserLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u, l, box := fillWithMarkers(t, s)
	copied, err := os.ReadFile(s.userFile(u)) // a backup that survives
	ok(t, err)
	w, err := s.WipeUser(t.Context(), u)
	ok(t, err)
	want := map[string]int64{"users": 1, "mailboxes": 1, "entries": 1, "claims": 1, "audit": 1, "grants": 1, "schedule": 1, "wheel": 1}
	for table, n := range want {
		if w.Rows[table] != n {
			t.Errorf("receipt: %d rows of %s, want %d", w.Rows[table], table, n)
		}
	}
	wantOutOfSystem(t, s, u[:])
	wantOutOfSystem(t, s, box[:])
	files, err := filepath.Glob(s.userFile(u) + "*")
	ok(t, err)
	if len(files) != 0 {
		t.Errorf("files left = %v", files)
	}
	if err := record(t, l, newKey()); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("a ledger of who was wiped: %v, want %v", err, ledger.ErrFenced)
	}
	if _, err := l.Entries(t.Context()); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("a ledger of who was wiped: %v, want %v", err, ledger.ErrFenced)
	}
	// The file put back is noise: its key is gone.
	ok(t, os.WriteFile(s.userFile(u), copied, 0o600))
	_, err = s.Mailboxes(t.Context(), u)
	wantFault(t, err, mail.Setup, "key_missing")
}

// wantOutOfSystem reads the system database as the disk has it, decrypted: an id
// must be on none of its pages, in use or free, and the WAL must be empty.
func wantOutOfSystem(t *testing.T, s *Store, id []byte) {
	t.Helper()
	path := filepath.Join(s.dir, "system.db")
	if i, err := os.Stat(path + "-wal"); err != nil || i.Size() != 0 {
		t.Errorf("the WAL of the system database is not empty: %v", err)
	}
	b, err := os.ReadFile(path)
	ok(t, err)
	c, err := xts.NewCipher(aes.NewCipher, s.index.PageKey().Reveal())
	ok(t, err)
	const sector = 512
	for n := 0; n < len(b)/sector; n++ {
		c.Decrypt(b[n*sector:][:sector], b[n*sector:][:sector], uint64(n))
	}
	if !bytes.HasPrefix(b, []byte("SQLite format 3")) {
		t.Fatal("the system database did not decrypt")
	}
	if bytes.Contains(b, id) {
		t.Errorf("the system database still has %x", id)
	}
}

func TestWipeIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u, _, _ := fillWithMarkers(t, s)
	ok(t, s.system.write(t.Context(), func() error { // it crashed right after its first step
		_, err := s.q.MarkWiping(context.Background(), u[:])
		return err
	}))
	ok(t, s.Close())
	s = openStore(t, dir, Options{Exclusive: true})
	if _, err := os.Stat(s.userFile(u)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the wipe was not finished")
	}
	if again := newUser(t, s, "MARK-subject"); again == u {
		t.Error("the user came back")
	}
}

func TestWipedMailboxLeavesNothing(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, l, box := fillWithMarkers(t, s)
	_, err := s.Keys(t.Context(), u, box)
	ok(t, err)
	w, err := s.WipeMailbox(t.Context(), u, box)
	ok(t, err)
	if i, err := os.Stat(s.userFile(u) + "-wal"); err != nil || i.Size() != 0 {
		t.Errorf("the WAL is not empty: %v", err)
	}
	for _, table := range []string{"mailboxes", "schedule", "wheel", "entries", "claims", "audit"} {
		if w.Rows[table] != 1 {
			t.Errorf("receipt: %d rows of %s, want 1", w.Rows[table], table)
		}
	}
	wantOutOfSystem(t, s, box[:])
	for name, err := range map[string]error{"claim": l.Claim(t.Context(), newClaim("x")), "record": record(t, l, newKey())} {
		if !errors.Is(err, ledger.ErrFenced) {
			t.Errorf("%s in a wiped mailbox: %v, want %v", name, err, ledger.ErrFenced)
		}
	}
	if _, err := s.Keys(t.Context(), u, box); err == nil {
		t.Error("the salt of a wiped mailbox is still there")
	}
	// Even under the pages' encryption nothing is left.
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		for _, q := range []string{"entries", "claims", "audit"} {
			st, _, err := u.conn.Prepare("SELECT count(*) FROM " + q)
			if err != nil {
				return err
			}
			if st.Step(); st.ColumnInt(0) != 0 {
				t.Errorf("%s has %d rows, want none", q, st.ColumnInt(0))
			}
			st.Close()
		}
		return nil
	}))
}
