package sqlite

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func newKey() (k ledger.Key) {
	rand.Read(k.ID[:])
	rand.Read(k.Content[:])
	return k
}

func newClaim(session string) ledger.Claim {
	return ledger.Claim{Key: newKey(), Session: vault.NewSecret(session), Domain: "example.org", Size: 1, At: time.Now()}
}

// wantFault wants one line with a code that names the thing.
func wantFault(t *testing.T, err error, class mail.Class, code string, names ...string) {
	t.Helper()
	f, is := mail.AsFault(err)
	if !is || f.Class != class || f.Code != code {
		t.Errorf("error = %#v (%v), want a fault of class %d, code %s", err, err, class, code)
		return
	}
	if f.Help == "" || strings.ContainsAny(f.Error(), "\n\r") {
		t.Errorf("fault = %q, want one line with a remedy", f.Error())
	}
	for _, name := range names {
		if !strings.Contains(f.Error(), name) {
			t.Errorf("fault = %q, want it to name %s", f.Error(), name)
		}
	}
}

func TestDataDirectoryHasOneProcessThatWorks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	_, err := Open(t.Context(), dir, testKeys(t, dir), Options{Exclusive: true})
	wantFault(t, err, mail.Setup, "data_in_use", dir, "process "+strconv.Itoa(os.Getpid()))
	beside := openStore(t, dir, Options{})
	u := newUser(t, beside, "somebody")
	ok(t, beside.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret("token")}))
	if g, err := s.Grant(t.Context(), u); err != nil || g.RefreshToken.RevealString() != "token" {
		t.Errorf("what a process beside has stored was not found: %v", err)
	}
	ok(t, s.Close())
	openStore(t, dir, Options{Exclusive: true})
}

// TestLockEndsWithItsProcess runs itself as the other process and kills it.
func TestLockEndsWithItsProcess(t *testing.T) {
	if dir := os.Getenv("SQLITE_TEST_HOLD"); dir != "" {
		f, err := lock(dir)
		ok(t, err)
		os.Stdout.WriteString("held\n")
		time.Sleep(time.Minute) // until killed
		f.Close()
	}
	t.Parallel()
	dir := t.TempDir()
	other := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithItsProcess$")
	other.Env = append(os.Environ(), "SQLITE_TEST_HOLD="+dir)
	out, err := other.StdoutPipe()
	ok(t, err)
	ok(t, other.Start())
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), dir, testKeys(t, dir), Options{Exclusive: true})
	wantFault(t, err, mail.Setup, "data_in_use", dir, "process "+strconv.Itoa(other.Process.Pid))
	ok(t, other.Process.Kill())
	_ = other.Wait()
	openStore(t, dir, Options{Exclusive: true})
}

func TestWrongMasterKeyIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newUser(t, openStore(t, dir, Options{}), "somebody")
	ok(t, os.Remove(filepath.Join(dir, "master.key")))
	_, err := Open(t.Context(), dir, testKeys(t, dir), Options{})
	wantFault(t, err, mail.Setup, "master_key")
}

func TestLostKeysAreNotReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	ok(t, s.Close())
	ok(t, os.RemoveAll(filepath.Join(dir, "keys")))
	_, err := Open(t.Context(), dir, testKeys(t, dir), Options{})
	wantFault(t, err, mail.Setup, "key_missing")
}

func TestDamagedFileIsSaid(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, path string){
		"overwritten": func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			ok(t, err)
			rand.Read(b)
			ok(t, os.WriteFile(path, b, 0o600))
		},
		"another's": func(t *testing.T, path string) {
			other := t.TempDir()
			s := openStore(t, other, Options{})
			ok(t, s.Close())
			b, err := os.ReadFile(filepath.Join(other, "system.db"))
			ok(t, err)
			ok(t, os.WriteFile(path, b, 0o600))
		},
		"text": func(t *testing.T, path string) {
			ok(t, os.WriteFile(path, bytes.Repeat([]byte("hello world\n"), 1000), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, dir, Options{})
			u := newUser(t, s, "somebody")
			ok(t, s.Close())
			damage(t, s.userFile(u))
			s = openStore(t, dir, Options{})
			_, err := s.Mailboxes(t.Context(), u)
			wantFault(t, err, mail.Setup, "data_corrupt", s.userFile(u))
			ok(t, s.Close())
			damage(t, filepath.Join(dir, "system.db"))
			_, err = Open(t.Context(), dir, testKeys(t, dir), Options{Exclusive: true})
			wantFault(t, err, mail.Setup, "data_corrupt", filepath.Join(dir, "system.db"))
		})
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	ok(t, s.system.conn.Exec("PRAGMA user_version = 999"))
	ok(t, s.Close())
	_, err := Open(t.Context(), dir, testKeys(t, dir), Options{})
	wantFault(t, err, mail.Setup, "schema_newer", "999", filepath.Join(dir, "system.db"))
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "data"), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	newMailbox(t, s, u, "box")
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		i, err := e.Info()
		if err == nil && i.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, i.Mode())
		}
		return err
	}))
}

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
	ok(t, l.Settle(t.Context(), claims[0].Key, ledger.Outcome{Status: mail.Failed}))
	if strings.Contains(dump(), "mark.domain.example") {
		t.Error("a settled entry still has its claim's domain")
	}
	// A sealed value moved to another row does not open there.
	other := newMailbox(t, s, u, "other")
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		return u.conn.Exec(`UPDATE mailboxes SET password = (SELECT password FROM mailboxes WHERE n = 1)`)
	}))
	if _, err := s.Mailboxes(t.Context(), u); err == nil {
		t.Errorf("the password of %v opened as that of %v", box, other)
	}
}

func TestWipedUserLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u, l, _ := fillWithMarkers(t, s)
	copied, err := os.ReadFile(s.userFile(u)) // a backup that survives
	ok(t, err)
	w, err := s.WipeUser(t.Context(), u)
	ok(t, err)
	want := map[string]int64{"users": 1, "mailboxes": 1, "entries": 1, "claims": 1, "audit": 1, "grants": 1}
	for table, n := range want {
		if w.Rows[table] != n {
			t.Errorf("receipt: %d rows of %s, want %d", w.Rows[table], table, n)
		}
	}
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
	for _, table := range []string{"mailboxes", "entries", "claims", "audit"} {
		if w.Rows[table] != 1 {
			t.Errorf("receipt: %d rows of %s, want 1", w.Rows[table], table)
		}
	}
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

func TestHandlesAreBoundedAndReopened(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true, Handles: 3})
	var ledgers []*Ledger
	for range 10 {
		u := newUser(t, s, id.New[id.User]().String())
		ledgers = append(ledgers, takeLedger(t, s, u, newMailbox(t, s, u, "box")))
	}
	var wg sync.WaitGroup
	for range 4 {
		for _, l := range ledgers {
			wg.Go(func() {
				for range 3 {
					if err := record(t, l, newKey()); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	for _, l := range ledgers {
		if e, err := l.Entries(t.Context()); err != nil || len(e) != 12 {
			t.Errorf("entries = %d (%v), want 12", len(e), err)
		}
	}
	if got := len(s.users.open); got > 3 {
		t.Errorf("open databases = %d, want at most 3", got)
	}
}

// TestAnsweredIsDurable copies the files of a store at work, as a crash of the
// machine would leave them at best, and finds in the copy all that was answered.
func TestAnsweredIsDurable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	box := newMailbox(t, s, u, "box")
	l := takeLedger(t, s, u, box)
	var answered []ledger.Key
	for range 200 {
		c := newClaim("session")
		ok(t, l.Claim(t.Context(), c))
		if len(answered)%2 == 0 {
			ok(t, l.Settle(t.Context(), c.Key, ledger.Outcome{Status: mail.Imported}))
		}
		answered = append(answered, c.Key)
	}
	crashed := t.TempDir()
	ok(t, os.CopyFS(crashed, os.DirFS(dir)))
	ok(t, os.Chmod(filepath.Join(crashed, "master.key"), 0o600))
	again := openStore(t, crashed, Options{Exclusive: true})
	got, err := takeLedger(t, again, u, box).Entries(t.Context())
	ok(t, err)
	states := map[ledger.Key]ledger.State{}
	for _, e := range got {
		states[e.Key] = e.State
	}
	for i, k := range answered {
		want := ledger.Claimed
		if i%2 == 0 {
			want = ledger.Imported
		}
		if states[k] != want {
			t.Fatalf("entry %d after the crash = %d, want %d", i, states[k], want)
		}
	}
}

// TestFailureHitsOnlyItsOwnWrite: writes that share a transaction with one that
// breaks it are done all the same.
func TestFailureHitsOnlyItsOwnWrite(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	box := newMailbox(t, s, u, "box")
	l := takeLedger(t, s, u, box)
	ok(t, s.inUser(t.Context(), u, func(d *userDB) error {
		good := func() *write {
			k := octets(newKey())
			return &write{turn: make(chan bool, 1), do: func() error {
				return bind(d.hot.record).int(l.n).blob(k[:]).int(2).int(0).blob(k[:]).exec()
			}}
		}
		bad := &write{turn: make(chan bool, 1), do: func() error { return d.conn.Exec("SELECT * FROM nowhere") }}
		batch := []*write{good(), bad, good()}
		d.apply(batch)
		if batch[0].err != nil || batch[1].err == nil || batch[2].err != nil {
			t.Errorf("errors = %v, %v, %v; want only the second", batch[0].err, batch[1].err, batch[2].err)
		}
		return nil
	}))
	if e, err := l.Entries(t.Context()); err != nil || len(e) != 2 {
		t.Errorf("entries = %d (%v), want 2", len(e), err)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	l := takeLedger(t, s, u, newMailbox(t, s, u, "box"))
	ok(t, s.Close())
	if err := record(t, l, newKey()); err == nil {
		t.Error("recorded in a closed store")
	}
	if _, err := s.EnsureUser(t.Context(), "x"); err == nil {
		t.Error("made a user in a closed store")
	}
}

func BenchmarkOpenUser(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{Exclusive: true})
	u := newUser(b, s, "somebody")
	for b.Loop() {
		d, err := s.openUser(b.Context(), u, false)
		ok(b, err)
		ok(b, d.close())
	}
}
