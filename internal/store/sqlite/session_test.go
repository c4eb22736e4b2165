package sqlite

import (
	"testing"

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
