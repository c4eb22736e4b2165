package sqlite

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/vault/pgshelf"
)

func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

// The same proof with the key store in a Postgres of its own: a copy of the
// whole data directory from before a wipe, every master key that there ever was,
// and the key store as it is now.
func TestWhatIsWipedIsNoiseWithTheKeysInPostgres(t *testing.T) {
	t.Parallel()
	for what, wipe := range map[string]func(*Store, id.User, id.Mailbox) error{
		"user": func(s *Store, u id.User, _ id.Mailbox) error { _, err := s.WipeUser(t.Context(), u); return err },
		"mailbox": func(s *Store, u id.User, box id.Mailbox) error {
			_, err := s.WipeMailbox(t.Context(), u, box)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			k := newKeyDatabase(t)
			dir := t.TempDir()
			s, err := Open(t.Context(), dir, k.store(t, k.now), Options{Exclusive: true})
			ok(t, err)
			u, _, box := fillWithMarkers(t, s)
			other := newUser(t, s, "somebody else")
			newMailbox(t, s, other, "other")
			ok(t, s.system.scrub(t.Context()))
			ok(t, s.inUser(t.Context(), u, func(u *userDB) error { return u.scrub(t.Context()) }))
			before := copyOf(t, dir)
			then := k.copied(t)
			gone := []string{"MARK-password", "mark.domain.example", "MARK-host", "MARK-username", "MARK-label", "the ledger of " + box.String()}
			if what == "user" {
				gone = append(gone, "MARK-token", "MARK-email", "MARK-subject", "MARK-client", "MARK-name", "MARK-locale")
			}
			wantMarks(t, "the copy with the keys of then", openedWith(t, copyOf(t, before), k.store(t, then), k.shelf(t, then), u), true, gone...)

			ok(t, wipe(s, u, box))
			ok(t, s.Close())
			wantMarks(t, "the copy with the keys of now", openedWith(t, copyOf(t, before), k.store(t, k.now), k.shelf(t, k.now), u), false, gone...)
			if _, err := k.store(t, k.now).User(t.Context(), other); err != nil {
				t.Errorf("the other user's key: %v", err)
			}

			// What was destroyed is in no dump of the key store of now.
			dump := dumped(t, k.now)
			for r, err := range k.shelf(t, then).List(t.Context()) {
				ok(t, err)
				is, _ := k.shelf(t, k.now).Get(t.Context(), r.Name)
				if !bytes.Equal(is, r.Octets) && bytes.Contains(dump, []byte(hex.EncodeToString(r.Octets))) {
					t.Errorf("a dump still has %s", r.Name)
				}
			}
		})
	}
}

// keyDatabase is a key store in Postgres whose master key was changed once.
type keyDatabase struct {
	now     *postgres.Database
	masters string // every one that there ever was
}

func newKeyDatabase(t *testing.T) *keyDatabase {
	t.Helper()
	d, err := postgres.Shared(t).Create("")
	ok(t, err)
	t.Cleanup(d.Drop)
	ok(t, pgshelf.Migrate(t.Context(), vault.NewSecret(d.URL(postgres.Owner))))
	k := &keyDatabase{now: d, masters: vault.GenerateMaster().RevealString()}
	_, err = k.store(t, d).EnsureSystem(t.Context())
	ok(t, err)
	k.masters = vault.GenerateMaster().RevealString() + "," + k.masters
	moved, err := k.store(t, d).Rewrap(t.Context())
	if ok(t, err); moved != 2 {
		t.Fatalf("%d keys were wrapped anew, want 2", moved)
	}
	return k
}

func (k *keyDatabase) shelf(t *testing.T, d *postgres.Database) vault.Shelf {
	t.Helper()
	s, err := pgshelf.Open(t.Context(), vault.NewSecret(d.URL(postgres.Owner)), pgshelf.Options{})
	ok(t, err)
	t.Cleanup(s.Close)
	return s
}

func (k *keyDatabase) store(t *testing.T, d *postgres.Database) *vault.Store {
	t.Helper()
	masters, err := vault.ParseMasterKeys(vault.NewSecret(k.masters))
	ok(t, err)
	return vault.NewStore(k.shelf(t, d), masters)
}

// copied restores a dump of the key store as it is into another database.
func (k *keyDatabase) copied(t *testing.T) *postgres.Database {
	t.Helper()
	d, err := k.now.Server.Create("")
	ok(t, err)
	t.Cleanup(d.Drop)
	restore := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--dbname", d.URL(postgres.Owner))
	restore.Stdin = bytes.NewReader(dumped(t, k.now))
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, out)
	}
	return d
}

func dumped(t *testing.T, d *postgres.Database) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pg_dump", "--dbname", d.URL(postgres.Owner)).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	return out
}
