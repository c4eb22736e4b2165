package jobs

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ Store = (*sqlite.Store)(nil)
var _ risc.Inbox = Inbox{}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openKeys opens the keys in dir, as the program does.
func openKeys(t *testing.T, dir string) *vault.Store {
	t.Helper()
	file := filepath.Join(dir, "master.key")
	masters, err := vault.LoadOrCreateFile(file)
	ok(t, err)
	shelf, err := vault.OpenDir(filepath.Join(dir, "keys"))
	ok(t, err)
	keys := vault.NewStore(shelf, masters)
	keys.Follow(func() (*vault.MasterKeys, error) { return vault.LoadFile(file) })
	return keys
}

func openStore(t *testing.T, dir string) (*sqlite.Store, *vault.Store) {
	t.Helper()
	keys := openKeys(t, dir)
	s, err := sqlite.Open(t.Context(), dir, keys, sqlite.Options{Exclusive: true})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s, keys
}

// fakeGoogle answers as it is told, and remembers what it was told.
type fakeGoogle struct {
	mu      sync.Mutex
	fail    int // that many requests get no answer
	dead    bool
	revoked []string
	asked   int
}

var errAway = &mail.Fault{Class: mail.Transient, Code: "google_unreachable", Text: "away"}

func (g *fakeGoogle) Revoke(_ context.Context, refresh vault.Secret) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asked++; g.asked <= g.fail {
		return errAway
	}
	g.revoked = append(g.revoked, refresh.RevealString())
	return nil
}

func (g *fakeGoogle) Check(context.Context, vault.Secret) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asked++; g.asked <= g.fail {
		return errAway
	}
	if g.dead {
		return &mail.Fault{Class: mail.Revoked, Code: "grant_revoked"}
	}
	return nil
}

// fakeUsers destroys as the program does, without an engine to stop.
type fakeUsers struct {
	store *sqlite.Store
	mu    sync.Mutex
	ended map[id.User]string
	hang  chan struct{} // not nil: it waits for this first
}

func (u *fakeUsers) end(user id.User, what string) {
	if u.hang != nil {
		<-u.hang
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended[user] = what
}

func (u *fakeUsers) of(user id.User) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended[user]
}

func (u *fakeUsers) EndGrant(ctx context.Context, user id.User) error {
	u.end(user, "grant")
	return u.store.DropGrant(ctx, user)
}

func (u *fakeUsers) EndUser(ctx context.Context, user id.User) error {
	u.end(user, "user")
	_, err := u.store.WipeUser(ctx, user)
	return err
}

type world struct {
	dir    string
	store  *sqlite.Store
	keys   *vault.Store
	google *fakeGoogle
	users  *fakeUsers
	work   *work
}

var nobody = slog.New(slog.DiscardHandler)

func newWorld(t *testing.T) *world { return worldIn(t, t.TempDir()) }

func worldIn(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{dir: dir, google: &fakeGoogle{}}
	w.store, w.keys = openStore(t, dir)
	w.users = &fakeUsers{store: w.store, ended: map[id.User]string{}}
	w.work = &work{store: w.store, keys: w.keys, google: w.google, users: w.users, log: nobody, keep: 90 * day}
	return w
}

func (w *world) start(t *testing.T) *Queue {
	t.Helper()
	db, err := w.store.Jobs(t.Context())
	ok(t, err)
	q, err := Start(t.Context(), Options{DB: db, Store: w.store, Keys: w.keys, Google: w.google, Users: w.users, Log: nobody, Keep: 90 * day})
	ok(t, err)
	t.Cleanup(func() { ok(t, q.Stop(context.Background())) })
	return q
}

// granted is a user who is signed in and has given a grant.
func (w *world) granted(t *testing.T, sub string) id.User {
	t.Helper()
	u, err := w.store.SignIn(t.Context(), account.Person{Sub: sub, Email: sub + "@example.org"}, account.SignUp{Rule: "open"})
	ok(t, err)
	ok(t, w.store.PutGrant(t.Context(), u.ID, account.Grant{RefreshToken: vault.NewSecret("1//0" + sub + "-refresh-token"), Sub: sub, GrantedAt: time.Now()}))
	_, _, err = w.store.BeginSession(t.Context(), u.ID, "browser", vault.Secret{})
	ok(t, err)
	return u.ID
}

func (w *world) take(t *testing.T, e risc.Event) {
	t.Helper()
	if e.JTI == "" {
		e.JTI = id.New[id.User]().String()
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	first, err := Inbox{w.store}.Take(t.Context(), e.JTI, []risc.Event{e})
	ok(t, err)
	if !first {
		t.Fatal("a fresh jti was known")
	}
}

// reactAll acts upon what was taken, without a queue.
func (w *world) reactAll(t *testing.T) error {
	t.Helper()
	signals, err := w.store.Signals(t.Context())
	ok(t, err)
	var errs []error
	for _, n := range signals {
		errs = append(errs, w.work.react(t.Context(), n.ID))
	}
	return errors.Join(errs...)
}

func (w *world) status(t *testing.T, u id.User) string {
	t.Helper()
	a, err := w.store.Access(t.Context(), u)
	if errors.Is(err, account.ErrNone) {
		return "no such user"
	}
	ok(t, err)
	return string(a.Status)
}

func (w *world) sessions(t *testing.T, u id.User) int {
	t.Helper()
	all, err := w.store.Sessions(t.Context(), u)
	if err != nil {
		return 0
	}
	return len(all)
}

// within waits for something that a job does.
func within(t *testing.T, limit time.Duration, what string, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

// copyOf copies a data directory as a crash would leave it.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	ok(t, os.CopyFS(to, os.DirFS(dir)))
	ok(t, os.Chmod(filepath.Join(to, "master.key"), 0o600))
	return to
}
