package sqlite

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/session/sessiontest"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// sessionWorld is a store as the suite of sessions sees it.
type sessionWorld struct{ world }

func (w *sessionWorld) Store(*testing.T) sessiontest.Store { return w.s }
func (w *sessionWorld) User(t *testing.T) id.User          { return newUser(t, w.s, id.New[id.User]().String()) }
func (w *sessionWorld) Wipe(t *testing.T, u id.User) {
	_, err := w.s.WipeUser(t.Context(), u)
	ok(t, err)
}

func (w *sessionWorld) Count(t *testing.T) int {
	return count(t, w.s.system, "sessions") + count(t, w.s.system, "tokens") + count(t, w.s.system, "used_once")
}

// count gives the number of rows of a table.
func count(t testing.TB, d *database, table string) (n int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	st, _, err := d.conn.Prepare("SELECT count(*) FROM " + table)
	ok(t, err)
	if st.Step() {
		n = st.ColumnInt(0)
	}
	ok(t, st.Close())
	return n
}

func TestSessions(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, func(t *testing.T) sessiontest.World {
		w := &sessionWorld{world{dir: t.TempDir()}}
		w.s = openStore(t, w.dir, Options{Exclusive: true})
		return w
	})
}

// TestWhoCallsIsFoundWhileTheSystemIsWritten: else each request would wait for
// the disk as often as the engine does.
func TestWhoCallsIsFoundWhileTheSystemIsWritten(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	_, cookie, err := s.BeginSession(t.Context(), u, "", vault.Secret{})
	ok(t, err)
	_, text, err := s.IssueToken(t.Context(), u, session.NewToken{Scopes: session.AuditRead})
	ok(t, err)
	_, err = s.FindToken(t.Context(), text) // its first use is noted
	ok(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	found := make(chan error, 1)
	ok(t, s.system.write(t.Context(), func() error {
		go func() {
			_, err := s.FindToken(ctx, text)
			_, bySession := s.FindSession(ctx, cookie)
			found <- errors.Join(err, bySession)
		}()
		select {
		case err := <-found:
			return err
		case <-time.After(20 * time.Second):
			return errors.New("who calls is not found before the transaction ends")
		}
	}))
}

// benchmarks of what every request begins with.

func BenchmarkFindSession(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{Exclusive: true})
	_, cookie, err := s.BeginSession(b.Context(), newUser(b, s, "somebody"), "", vault.Secret{})
	ok(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.FindSession(b.Context(), cookie)
		ok(b, err)
	}
}

func BenchmarkFindToken(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{Exclusive: true})
	_, text, err := s.IssueToken(b.Context(), newUser(b, s, "somebody"), session.NewToken{Scopes: session.AuditRead})
	ok(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.FindToken(b.Context(), text)
		ok(b, err)
	}
}
