package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// copyOf copies a data directory with its keys as the disk has it.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	ok(t, os.CopyFS(to, os.DirFS(dir)))
	if err := os.Chmod(filepath.Join(to, "master.key"), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err) // it may be elsewhere
	}
	return to
}

// crashes runs do on a store of one user and gives copies of its files as a
// crash would leave them before it and after each of its transactions.
func crashes(t *testing.T, prepare, do func(*Store, id.User)) (user id.User, images []string) {
	t.Helper()
	dir := t.TempDir()
	working := false
	image := func() { images = append(images, copyOf(t, dir)) }
	s := openStore(t, dir, Options{Exclusive: true, Observe: func(time.Duration, int) {
		if working {
			image()
		}
	}})
	user = newUser(t, s, "somebody")
	prepare(s, user)
	image()
	working = true
	do(s, user)
	working = false
	return user, images
}

// wantWhole wants of a store after a crash that the wheel knows every mailbox,
// that it is never later than the truth, and that what it knows beyond that is
// gone once the engine has asked for it.
func wantWhole(t *testing.T, dir string, user id.User) (boxes int) {
	t.Helper()
	s := openStore(t, dir, Options{Exclusive: true})
	wheel := map[id.Mailbox]schedule.Registered{}
	for r, err := range s.All(t.Context()) {
		ok(t, err)
		wheel[r.Mailbox] = r
	}
	for box, r := range wheel {
		_, st, err := s.Load(t.Context(), user, box)
		if errors.Is(err, account.ErrNone) {
			continue
		}
		ok(t, err)
		if is, truth := rowOf(schedule.State{Phase: r.Phase, Until: r.Until}), rowOf(st); wakes(is) > wakes(truth) {
			t.Errorf("the wheel has %v until %v, which is later than %v until %v", r.Phase, r.Until, st.Phase, st.Until)
		}
	}
	all, err := s.Mailboxes(t.Context(), user)
	ok(t, err)
	for _, m := range all {
		if _, known := wheel[m.ID]; !known {
			t.Errorf("the wheel does not know mailbox %s", m.ID)
		}
		_, err := s.Keys(t.Context(), user, m.ID)
		ok(t, err)
	}
	left := 0
	for r, err := range s.All(t.Context()) {
		ok(t, err)
		left++
		if _, _, err := s.Load(t.Context(), user, r.Mailbox); err != nil {
			t.Errorf("the wheel still has a mailbox that does not exist: %v", err)
		}
	}
	salts, err := filepath.Glob(filepath.Join(dir, "keys", "users", user.String(), "salts", "*"))
	ok(t, err)
	if len(salts) > len(all) {
		t.Errorf("salts = %d, want the %d of the mailboxes", len(salts), len(all))
	}
	if left != len(all) {
		t.Errorf("mailboxes in the wheel = %d, want %d", left, len(all))
	}
	ok(t, s.Close())
	return len(all)
}

var aMailbox = account.Mailbox{Protocol: "pop3", Host: "pop.example.org", Port: 995, Username: "a", Password: vault.NewSecret("x")}

func TestACrashWhileAMailboxIsMadeLeavesItWholeOrNot(t *testing.T) {
	t.Parallel()
	user, images := crashes(t, func(*Store, id.User) {}, func(s *Store, u id.User) {
		_, err := s.EnsureMailbox(t.Context(), u, aMailbox)
		ok(t, err)
	})
	var got []int
	for _, dir := range images {
		got = append(got, wantWhole(t, dir, user))
	}
	if len(got) != 3 || got[0] != 0 || got[1] != 0 || got[2] != 1 {
		t.Errorf("mailboxes after each step = %v, want none, none, one", got)
	}
}

func TestACrashWhileAMailboxIsWipedLeavesItWholeOrNot(t *testing.T) {
	t.Parallel()
	var box id.Mailbox
	user, images := crashes(t, func(s *Store, u id.User) { box = newMailbox(t, s, u, "a") }, func(s *Store, u id.User) {
		_, err := s.WipeMailbox(t.Context(), u, box)
		ok(t, err)
	})
	if len(images) != 4 {
		t.Errorf("steps = %d, want four", len(images))
	}
	for i, dir := range images { // what was begun is finished
		if want, got := max(0, 1-i), wantWhole(t, dir, user); got != want {
			t.Errorf("mailboxes after step %d = %d, want %d", i, got, want)
		}
	}
}

func TestACrashWhileAStateIsSavedNeverMakesTheWheelLate(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	states := []schedule.State{
		{}, {Phase: schedule.Waiting, Until: at}, {Phase: schedule.Failing, Until: at.Add(time.Hour)}, {Phase: schedule.Failing},
	}
	var box id.Mailbox
	user, images := crashes(t, func(s *Store, u id.User) { box = newMailbox(t, s, u, "a") }, func(s *Store, u id.User) {
		for _, from := range states {
			for _, to := range states {
				ok(t, s.Save(t.Context(), u, box, from))
				ok(t, s.Save(t.Context(), u, box, to))
			}
		}
	})
	for _, dir := range images {
		wantWhole(t, dir, user)
	}
}

// break makes writes to a table fail, as a fault of the disk would.
func breakTable(t *testing.T, d *database, what, table string) (repair func()) {
	exec := func(sql string) {
		ok(t, d.read(t.Context(), func(context.Context) error { return d.conn.Exec(sql) }))
	}
	exec(`CREATE TRIGGER broken BEFORE ` + what + ` ON ` + table + ` BEGIN SELECT RAISE(ABORT, 'broken'); END`)
	return func() { exec(`DROP TRIGGER broken`) }
}

func TestAMailboxThatCouldNotBeMadeLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for what, make := range map[string]func() (repair func()){
		"the wheel": func() func() { return breakTable(t, w.s.system, "INSERT", "wheel") },
		"the user's": func() (repair func()) {
			ok(t, w.s.inUser(t.Context(), w.user, func(u *userDB) error {
				repair = breakTable(t, u.database, "INSERT", "schedule")
				return nil
			}))
			return repair
		},
	} {
		repair := make()
		if _, err := w.s.EnsureMailbox(t.Context(), w.user, aMailbox); err == nil {
			t.Errorf("%s database broken: made", what)
		}
		repair()
		for r, err := range w.s.All(t.Context()) {
			t.Errorf("%s database broken: the wheel has %v (%v)", what, r, err)
		}
		boxes, err := w.s.Mailboxes(t.Context(), w.user)
		ok(t, err)
		salts, err := filepath.Glob(filepath.Join(w.dir, "keys", "users", "*", "salts", "*"))
		ok(t, err)
		if len(boxes)+len(salts) != 0 {
			t.Errorf("%s database broken: %d mailboxes, %d salts left", what, len(boxes), len(salts))
		}
	}
	box, err := w.s.EnsureMailbox(t.Context(), w.user, aMailbox)
	ok(t, err)
	if _, _, err := w.s.Load(t.Context(), w.user, box.ID); err != nil {
		t.Errorf("once repaired: %v", err)
	}
}

// TestTheWheelLearnsOfAMailboxThatItHasLost: a backup of the system database
// may be older than a user's.
func TestTheWheelLearnsOfAMailboxThatItHasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	box := newMailbox(t, w.s, w.user, "a")
	_, err := w.s.unregister(t.Context(), w.user, box)
	ok(t, err)
	if again := newMailbox(t, w.s, w.user, "a"); again != box {
		t.Errorf("mailbox = %v, want %v", again, box)
	}
	for r, err := range w.s.All(t.Context()) {
		ok(t, err)
		if r.Mailbox == box {
			return
		}
	}
	t.Error("the wheel does not know it")
}
