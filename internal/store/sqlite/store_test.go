package sqlite

import (
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
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

// TestMoreUsersInTurnThanHandlesFindTheirDatabasesOpen mostly: where those used
// longest ago are closed, all users in turn find none.
func TestMoreUsersInTurnThanHandlesFindTheirDatabasesOpen(t *testing.T) {
	t.Parallel()
	const handles, rounds = 20, 20
	s := openStore(t, t.TempDir(), Options{Exclusive: true, Handles: handles})
	var users []id.User
	for range handles + 1 {
		users = append(users, newUser(t, s, id.New[id.User]().String()))
	}
	before, opened := map[id.User]*userDB{}, 0
	for range rounds {
		for _, user := range users {
			ok(t, s.inUser(t.Context(), user, func(u *userDB) error {
				if before[user] != u {
					before[user] = u
					opened++
				}
				return nil
			}))
		}
	}
	if most := rounds * len(users) / 2; opened > most {
		t.Errorf("opened %d times in %d uses, want at most %d", opened, rounds*len(users), most)
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
				return d.bind(sqlRecord).int(l.n).blob(k[:]).int(2).int(0).blob(k[:]).exec()
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

func TestATimeThatGmailNamedIsFoundByTheNextProcess(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	u := newUser(t, s, "ann")
	now := time.Now()
	for name, st := range map[string]schedule.State{
		"idle": {},
		"busy": {Phase: schedule.Waiting, Class: mail.RateLimited, Until: now.Add(3 * time.Hour), First: now.Add(-time.Hour), Reason: schedule.Reason{Code: "gmail_busy"}},
		"less": {Phase: schedule.Waiting, Class: mail.RateLimited, Until: now.Add(2 * time.Hour), First: now.Add(-time.Hour), Reason: schedule.Reason{Code: "gmail_rate"}},
		"now":  {Phase: schedule.Waiting, Class: mail.RateLimited, Until: now.Add(5 * time.Hour), First: now.Add(time.Minute), Reason: schedule.Reason{Code: "gmail_rate"}},
		"host": {Phase: schedule.Waiting, Class: mail.RateLimited, Until: now.Add(9 * time.Hour), First: now.Add(-time.Hour), Reason: schedule.Reason{Code: "too_many_logins"}},
	} {
		ok(t, s.Save(t.Context(), u, newMailbox(t, s, u, name), st))
	}
	until, err := s.GmailWait(t.Context(), u, now)
	ok(t, err)
	if want := now.Add(3 * time.Hour); !until.Equal(want) {
		t.Errorf("until %v, want %v", until, want)
	}
	if until, err := s.GmailWait(t.Context(), newUser(t, s, "bob"), now); err != nil || !until.IsZero() {
		t.Errorf("who was told nothing waits until %v (%v)", until, err)
	}
}
