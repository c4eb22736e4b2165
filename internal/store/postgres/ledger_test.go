package postgres

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/audit/audittest"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/ledger/ledgertest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

var _ bridge.Ledger = (*Ledger)(nil)

func newUser(t testing.TB, s *Store) id.User {
	t.Helper()
	user := id.New[id.User]()
	_, err := s.keys.CreateUser(t.Context(), user)
	ok(t, err)
	subject := make([]byte, 32)
	rand.Read(subject)
	s.exec(t, "INSERT INTO users (id, subject, signed_up, swept) VALUES ($1, $2, false, 0)", user[:], subject)
	s.exec(t, "INSERT INTO fences (user_id) VALUES ($1)", user[:])
	return user
}

func newMailbox(t testing.TB, s *Store, user id.User) id.Mailbox {
	t.Helper()
	box := id.New[id.Mailbox]()
	p, err := s.person(t.Context(), user)
	ok(t, err)
	_, err = s.keys.CreateSalt(t.Context(), p.key, box)
	ok(t, err)
	ok(t, s.inUser(t.Context(), user, func(ctx context.Context, q *userdb.Queries) error {
		return s.rawIn(ctx, user, "INSERT INTO mailboxes (id, settings, created) VALUES ($1, '', 0)", box[:])
	}))
	return box
}

// exec runs a statement outside of any door.
func (s *Store) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	ok(t, s.connected(t.Context(), func(ctx context.Context, c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, sql, args...)
		return err
	}))
}

// rawIn runs a statement through a user's door.
func (s *Store) rawIn(ctx context.Context, user id.User, sql string, args ...any) error {
	return s.transaction(ctx, s.opening(user), func(ctx context.Context, p *pipe) error {
		_, err := p.Exec(ctx, sql, args...)
		return err
	})
}

func takeLedger(t testing.TB, s *Store, user id.User, box id.Mailbox) *Ledger {
	t.Helper()
	o, err := s.Take(t.Context(), user)
	ok(t, err)
	l, err := o.Ledger(t.Context(), box)
	ok(t, err)
	return l
}

// world is a store as the suites see it.
type world struct {
	*installation
	s    *Store
	user id.User
}

// newWorld gives a user of its own in an installation that may be shared: users do
// not notice each other.
func newWorld(t *testing.T, i *installation) *world {
	w := &world{installation: i}
	w.s = w.open(t, Options{})
	w.user = newUser(t, w.s)
	return w
}

func (w *world) Mailbox(t *testing.T) id.Mailbox { return newMailbox(t, w.s, w.user) }

func (w *world) Take(t *testing.T) func(id.Mailbox) bridge.Ledger {
	o, err := w.s.Take(t.Context(), w.user)
	ok(t, err)
	return func(box id.Mailbox) bridge.Ledger {
		l, err := o.Ledger(t.Context(), box)
		ok(t, err)
		return l
	}
}

func (w *world) Reopen(t *testing.T) {
	ok(t, w.s.Close())
	w.s = w.open(t, Options{})
}

func (w *world) Audit(t *testing.T, box id.Mailbox) (lines []ledger.Line) {
	for e, err := range w.s.Lines(t.Context(), w.user, audit.Filter{Mailbox: box}) {
		ok(t, err)
		lines = append(lines, ledger.Line{Mailbox: e.Mailbox, At: e.At,
			Outcome: ledger.Outcome{Status: e.Status, Reason: e.Reason, Domain: e.Domain, Size: e.Size}})
	}
	slices.Reverse(lines)
	return lines
}

// BreakAudit makes every audit line fail, as a fault of the server would.
func (w *world) BreakAudit(t *testing.T) (repair func()) {
	// Others are at work in the same tables: whoever is chosen to end a deadlock
	// tries again.
	sql := func(statements ...string) {
		var err error
		for range 20 {
			if err = w.Server.SQL(w.Name, statements...); err == nil {
				return
			}
		}
		t.Fatal(err)
	}
	sql("CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$",
		"CREATE OR REPLACE TRIGGER broken BEFORE INSERT ON audit FOR EACH ROW WHEN (NEW.user_id = '"+w.user.String()+"') EXECUTE FUNCTION broken()")
	return func() { sql("DROP TRIGGER IF EXISTS broken ON audit") }
}

func TestLedger(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	ledgertest.Run(t, func(t *testing.T) ledgertest.World { return newWorld(t, i) })
}

// logWorld drives the audit log through the ledger, the only way to write to it.
type logWorld struct{ *Store }

func (w logWorld) Log(*testing.T) audittest.Log               { return w.Store }
func (w logWorld) User(t *testing.T) id.User                  { return newUser(t, w.Store) }
func (w logWorld) Mailbox(t *testing.T, u id.User) id.Mailbox { return newMailbox(t, w.Store, u) }
func (w logWorld) Append(t *testing.T, u id.User, es ...audit.Entry) {
	if len(es) == 1 && es[0].At.IsZero() {
		e := es[0]
		ok(t, takeLedger(t, w.Store, u, e.Mailbox).Record(t.Context(), ledger.Key{ID: mail.Key(id.New[id.Audit]())},
			ledger.Outcome{Status: e.Status, Reason: e.Reason, Domain: e.Domain, Size: e.Size}))
		return
	}
	// The ledger writes lines of now alone.
	p, err := w.person(t.Context(), u)
	ok(t, err)
	boxes, err := w.numbers(t.Context(), u)
	ok(t, err)
	numbers := map[id.Mailbox]int32{}
	for n, box := range boxes {
		numbers[box] = n
	}
	ok(t, w.inUser(t.Context(), u, func(ctx context.Context, q *userdb.Queries) error {
		for _, e := range es {
			k, err := w.keysOf(ctx, p, e.Mailbox)
			if err != nil {
				return err
			}
			n := numbers[e.Mailbox]
			for _, word := range k.unknown(u, e.Mailbox, int32(e.At.Unix()/86400), e.Domain, e.Reason) {
				if err := q.AddWords(ctx, userdb.AddWordsParams{Mailboxes: []int32{n}, Hashes: []int64{word.hash}, Days: []int32{word.day}, Sealed: [][]byte{word.sealed}}); err != nil {
					return err
				}
			}
			at := audit.At(e.At)
			err = q.InsertLine(ctx, userdb.InsertLineParams{ID: at[:], Mailbox: n, Status: int16(ledger.StateOf(e.Status)), Size: e.Size, Domain: k.word(e.Domain), Reason: k.word(e.Reason)})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestAudit(t *testing.T) {
	t.Parallel()
	audittest.Run(t, func(t *testing.T) audittest.World {
		return logWorld{newInstallation(t).open(t, Options{Limit: time.Minute})}
	})
}
