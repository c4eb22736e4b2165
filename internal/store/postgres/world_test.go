package postgres

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/vault/vaulttest"
)

func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	server   *postgres.Server // of this binary
	starting sync.Once
)

// template is a database that was migrated, of which each test gets a copy.
var template = sync.OnceValues(func() (string, error) {
	d, err := server.Create("")
	if err != nil {
		return "", err
	}
	_, err = Migrate(context.Background(), secret(d.URL(postgres.Owner)), secret(d.URL(postgres.Service)))
	return d.Name, err
})

// newDatabase gives a test a migrated database of its own.
func newDatabase(t testing.TB) *postgres.Database {
	t.Helper()
	starting.Do(func() { server = postgres.Shared(t) })
	if server == nil {
		postgres.Shared(t) // it skips or fails
	}
	name, err := template()
	ok(t, err)
	d, err := server.Create(name)
	ok(t, err)
	t.Cleanup(d.Drop)
	return d
}

// installation is a database with its key store and master key, to be opened
// more than once.
type installation struct {
	*postgres.Database
	shelf   vault.Shelf
	masters *vault.MasterKeys
	bouncer *postgres.Bouncer // nil: the server is asked itself
}

func newInstallation(t testing.TB) *installation {
	t.Helper()
	return &installation{Database: newDatabase(t), shelf: new(vaulttest.Memory), masters: masters(t)}
}

func masters(t testing.TB) *vault.MasterKeys {
	t.Helper()
	m, err := vault.ParseMasterKeys(vault.GenerateMaster())
	ok(t, err)
	return m
}

func (i *installation) keys(*Shelf) *vault.Store { return vault.NewStore(i.shelf, i.masters) }

func (i *installation) open(t testing.TB, o Options) *Store {
	t.Helper()
	return i.openWith(t, "", o)
}

// openWith opens it with something more in the URL.
func (i *installation) openWith(t testing.TB, query string, o ...Options) *Store {
	t.Helper()
	at := i.URL(postgres.Service)
	if i.bouncer != nil {
		at = i.At(postgres.Service, i.Server.Host, i.bouncer.Port)
	}
	s, err := Open(t.Context(), secret(at+"?"+query), i.keys, append(o, Options{})[0])
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func secret(s string) vault.Secret { return vault.NewSecret(s) }

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error = %q, want %q in it", err, p)
		}
	}
}
