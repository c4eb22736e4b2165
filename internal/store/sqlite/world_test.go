package sqlite

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/account/accounttest"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/audit/audittest"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/ledger/ledgertest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/quota/quotatest"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ bridge.Ledger = (*Ledger)(nil)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testKeys opens the keys in dir, as the program does.
func testKeys(t testing.TB, dir string) *vault.Store {
	t.Helper()
	masters, err := vault.LoadOrCreateFile(filepath.Join(dir, "master.key"))
	ok(t, err)
	shelf, err := vault.OpenDir(filepath.Join(dir, "keys"))
	ok(t, err)
	return vault.NewStore(shelf, masters)
}

func openStore(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, testKeys(t, dir), o)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func newUser(t testing.TB, s *Store, subject string) id.User {
	t.Helper()
	u, err := s.EnsureUser(t.Context(), subject)
	ok(t, err)
	return u.ID
}

func newMailbox(t testing.TB, s *Store, u id.User, name string) id.Mailbox {
	t.Helper()
	m, err := s.EnsureMailbox(t.Context(), u, account.Mailbox{Protocol: "pop3", Host: "pop.example.org", Port: 995, Username: name})
	ok(t, err)
	return m.ID
}

func takeLedger(t testing.TB, s *Store, u id.User, box id.Mailbox) *Ledger {
	t.Helper()
	o, err := s.Take(t.Context(), u)
	ok(t, err)
	l, err := o.Ledger(t.Context(), box)
	ok(t, err)
	return l
}

// world is a store as the suites see it.
type world struct {
	s    *Store
	dir  string
	user id.User
}

func newWorld(t *testing.T) *world {
	w := &world{dir: t.TempDir()}
	w.s = openStore(t, w.dir, Options{Exclusive: true})
	w.user = newUser(t, w.s, "somebody")
	return w
}

func (w *world) Mailbox(t *testing.T) id.Mailbox {
	return newMailbox(t, w.s, w.user, id.New[id.Mailbox]().String())
}

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
	w.s = openStore(t, w.dir, Options{Exclusive: true})
}

func (w *world) Audit(t *testing.T, box id.Mailbox) (lines []ledger.Line) {
	for cursor, more := "", true; more; more = cursor != "" {
		p, err := w.s.List(t.Context(), w.user, audit.Filter{Mailbox: box}, cursor, 0)
		ok(t, err)
		for _, e := range p.Entries {
			lines = append(lines, ledger.Line{Mailbox: e.Mailbox, At: e.At,
				Outcome: ledger.Outcome{Status: e.Status, Reason: e.Reason, Domain: e.Domain, Size: e.Size}})
		}
		cursor = p.Next
	}
	slices.Reverse(lines)
	return lines
}

// BreakAudit makes every audit line fail, as a fault of the disk would.
func (w *world) BreakAudit(t *testing.T) (repair func()) {
	exec := func(sql string) {
		ok(t, w.s.inUser(t.Context(), w.user, func(u *userDB) error {
			u.mu.Lock()
			defer u.mu.Unlock()
			return u.conn.Exec(sql)
		}))
	}
	exec(`CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'broken'); END`)
	return func() { exec(`DROP TRIGGER broken`) }
}

func TestLedger(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) ledgertest.World { return newWorld(t) })
}

// logWorld drives the audit log through the ledger, the only way to write to it.
type logWorld struct{ *Store }

func (w logWorld) Log(*testing.T) audittest.Log { return w.Store }
func (w logWorld) User(t *testing.T) id.User    { return newUser(t, w.Store, id.New[id.User]().String()) }
func (w logWorld) Mailbox(t *testing.T, u id.User) id.Mailbox {
	return newMailbox(t, w.Store, u, id.New[id.Mailbox]().String())
}
func (w logWorld) Append(t *testing.T, u id.User, es ...audit.Entry) {
	if len(es) == 1 && es[0].At.IsZero() {
		e := es[0]
		ok(t, takeLedger(t, w.Store, u, e.Mailbox).Record(t.Context(), ledger.Key{ID: mail.Key(id.New[id.Audit]())},
			ledger.Outcome{Status: e.Status, Reason: e.Reason, Domain: e.Domain, Size: e.Size}))
		return
	}
	// The ledger writes lines of now alone.
	ok(t, w.inUser(t.Context(), u, func(u *userDB) error {
		return u.write(t.Context(), func() error {
			for _, e := range es {
				n, err := u.q.MailboxNumber(t.Context(), e.Mailbox[:])
				if err != nil {
					return err
				}
				at := audit.At(e.At)
				err = u.bind(sqlInsertAudit).blob(at[:]).int(n).text(e.Domain).int(int64(ledger.StateOf(e.Status))).text(e.Reason).int(e.Size).blob(nil).exec()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}))
}

func TestAudit(t *testing.T) {
	t.Parallel()
	audittest.Run(t, func(t *testing.T) audittest.World { return logWorld{openStore(t, t.TempDir(), Options{})} })
}

func TestQuotaDays(t *testing.T) {
	t.Parallel()
	quotatest.Run(t, func(t *testing.T) quota.Days { return openStore(t, t.TempDir(), Options{}).Days() })
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	accounttest.Run(t, func(t *testing.T) (accounttest.Store, func() accounttest.Store) {
		w := &world{dir: t.TempDir()}
		w.s = openStore(t, w.dir, Options{Exclusive: true})
		return w.s, func() accounttest.Store { w.Reopen(t); return w.s }
	})
}

func secret(s string) vault.Secret { return vault.NewSecret(s) }
