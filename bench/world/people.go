package world

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Person is one user: a Gmail account and mailboxes of one fleet.
type Person struct {
	Fleet     string
	Email     string
	Tokens    Tokens
	Mailboxes []account.Mailbox
}

// Populate places fleets, makes a Gmail account for each of their users, and
// fills the data directory. pollEvery is what each user has chosen; 0: nothing.
func (w *World) Populate(ctx context.Context, fleets []hosts.Fleet, pollEvery time.Duration) error {
	placed, err := w.Hosts.Place(ctx, fleets)
	if err != nil {
		return err
	}
	w.Placed = append(w.Placed, placed...)
	var people []Person
	for _, p := range placed {
		people = append(people, peopleOf(p, pollEvery)...)
	}
	if err := parallel(len(people), func(i int) (err error) {
		people[i].Tokens, err = w.Double.User(ctx, people[i].Email)
		return err
	}); err != nil {
		return err
	}
	w.People = append(w.People, people...)
	return w.fill(ctx, people)
}

// peopleOf gives the users of a fleet with their mailboxes.
func peopleOf(p hosts.Placed, pollEvery time.Duration) []Person {
	people := make([]Person, p.Users())
	for n := range people {
		people[n] = Person{Fleet: p.Name, Email: fmt.Sprintf("%s-%d@gmail.example", p.Name, n)}
	}
	for i := range p.Mailboxes {
		n := p.User(i)
		people[n].Mailboxes = append(people[n].Mailboxes, account.Mailbox{
			Name: p.Username(i), Protocol: p.Protocol, Host: "127.0.0.1", Port: p.Port(i), Security: "tls",
			Username: p.Username(i), Password: vault.NewSecret(hosts.Password),
			AfterImport: "leave", History: "all", PollEvery: pollEvery,
		})
	}
	return people
}

// Data is the product's data directory.
func (w *World) Data() string { return filepath.Join(w.Dir, "data") }

// OpenStore opens the data directory as the product does.
func (w *World) OpenStore(ctx context.Context) (*sqlite.Store, *vault.Store, error) {
	masters, err := vault.LoadOrCreateFile(filepath.Join(w.Data(), "master.key"))
	if err != nil {
		return nil, nil, err
	}
	shelf, err := vault.OpenDir(filepath.Join(w.Data(), "keys"))
	if err != nil {
		return nil, nil, err
	}
	keys := vault.NewStore(shelf, masters)
	st, err := sqlite.Open(ctx, w.Data(), keys, sqlite.Options{Exclusive: true})
	return st, keys, err
}

// fill makes users, grants and mailboxes.
func (w *World) fill(ctx context.Context, people []Person) error {
	st, _, err := w.OpenStore(ctx)
	if err != nil {
		return err
	}
	err = parallel(len(people), func(i int) error {
		p := people[i]
		u, err := st.EnsureUser(ctx, p.Tokens.Sub)
		if err != nil {
			return err
		}
		err = st.PutGrant(ctx, u.ID, account.Grant{
			RefreshToken: vault.NewSecret(p.Tokens.Refresh), Scopes: []string{gmailtest.ScopeInsert},
			Email: p.Email, Sub: p.Tokens.Sub, GrantedAt: time.Now(),
		})
		if err != nil {
			return err
		}
		for _, m := range p.Mailboxes {
			if _, err := st.EnsureMailbox(ctx, u.ID, m); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, st.Close())
}

// parallel runs do for 0 to n-1, sixteen at a time, and gives the first error.
func parallel(n int, do func(int) error) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := make(chan int)
	for range 16 {
		all.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					mu.Lock()
					first = errors.Join(first, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		mu.Lock()
		failed := first != nil
		mu.Unlock()
		if failed {
			break
		}
		next <- i
	}
	close(next)
	all.Wait()
	return first
}
