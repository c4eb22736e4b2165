package postgres

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func freshKey() ledger.Key {
	return ledger.Key{ID: mail.Key(id.New[id.Audit]()), Content: mail.Key(id.New[id.Audit]())}
}

var inGmail = ledger.Outcome{Status: mail.Imported, Domain: "example.org", Size: 100}

func TestManyWritersShareATransaction(t *testing.T) {
	t.Parallel()
	var commits, writes atomic.Int64
	s := newInstallation(t).open(t, Options{Observe: func(_ time.Duration, n int) {
		commits.Add(1)
		writes.Add(int64(n))
	}})
	var all sync.WaitGroup
	const users, each, rounds = 4, 16, 10
	for range users {
		user := newUser(t, s)
		l := takeLedger(t, s, user, newMailbox(t, s, user))
		for range each {
			all.Go(func() {
				for range rounds {
					if err := l.Record(t.Context(), freshKey(), inGmail); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if w, c := writes.Load(), commits.Load(); w != users*each*rounds || c > w/2 {
		t.Errorf("%d writes in %d transactions, want %d in half as many at most", w, c, users*each*rounds)
	}
}

// TestOneBadWriteHurtsNoOther: whose mailbox was wiped meanwhile is fenced, and all
// that shared the transaction are done.
func TestOneBadWriteHurtsNoOther(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	s := i.open(t, Options{})
	user := newUser(t, s)
	o, err := s.Take(t.Context(), user)
	ok(t, err)
	box, wiped := newMailbox(t, s, user), newMailbox(t, s, user)
	good, err := o.Ledger(t.Context(), box)
	ok(t, err)
	bad, err := o.Ledger(t.Context(), wiped)
	ok(t, err)
	ok(t, i.Server.SQL(i.Name, "DELETE FROM mailboxes WHERE id = '"+wiped.String()+"'"))
	batch := []*write{}
	add := func(l *Ledger) {
		k, err := l.keys(t.Context())
		ok(t, err)
		batch = append(batch, &write{ledger: l, kind: recording, pair: octets(freshKey()), state: ledger.Imported, outcome: inGmail,
			domain: k.word(inGmail.Domain), words: k.unknown(user, l.box, today(), inGmail.Domain)})
	}
	for n := range 20 {
		if add(good); n == 7 {
			add(bad)
		}
	}
	s.flush(batch)
	for _, w := range batch {
		switch {
		case w.ledger == bad && !errors.Is(w.err, ledger.ErrFenced):
			t.Errorf("a write into a wiped mailbox = %v, want %v", w.err, ledger.ErrFenced)
		case w.ledger == good && w.err != nil:
			t.Errorf("a write beside it = %v", w.err)
		}
	}
	entries, err := good.Entries(t.Context())
	if ok(t, err); len(entries) != 20 {
		t.Errorf("entries = %d, want 20", len(entries))
	}
}

// TestADatabaseThatIsGoneIsSaidAndComesBack: whoever writes meanwhile is told that
// nobody knows, nothing hangs, and afterwards the same store goes on.
func TestADatabaseThatIsGoneIsSaidAndComesBack(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.bouncer = server.Bounce(t, 3)
	s := i.open(t, Options{})
	s.limit = 5 * time.Second
	user := newUser(t, s)
	l := takeLedger(t, s, user, newMailbox(t, s, user))
	ok(t, l.Record(t.Context(), freshKey(), inGmail))
	i.bouncer.Down()
	err := l.Claim(t.Context(), ledger.Claim{Key: freshKey(), Session: secret("s")})
	if f, is := mail.AsFault(err); !is || f.Class != mail.Transient {
		t.Errorf("a claim without a database = %v, want a transient fault", err)
	}
	wantText(t, err, "the database does not answer")
	ok(t, i.bouncer.Up())
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = l.Record(t.Context(), freshKey(), inGmail); err == nil || time.Now().After(deadline) {
			break
		}
	}
	ok(t, err)
}
