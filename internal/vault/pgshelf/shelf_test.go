package pgshelf_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/vault/pgshelf"
	"github.com/smtp-sync/smtp-sync/internal/vault/vaulttest"
)

func TestMain(m *testing.M) {
	vaulttest.Child(func(ctx context.Context, url string) (vault.Shelf, error) {
		return pgshelf.Open(ctx, vault.NewSecret(url), pgshelf.Options{})
	})
	os.Exit(postgres.Main(m))
}

func TestRotationUnderLoadIsKilledAndFailsNobody(t *testing.T) {
	_, url := migrated(t)
	vaulttest.Rotation(t, 1_000, url, func(t *testing.T) vault.Shelf { return open(t, url) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// database gives an empty one.
func database(t *testing.T) *postgres.Database {
	t.Helper()
	d, err := postgres.Shared(t).Create("")
	must(t, err)
	t.Cleanup(d.Drop)
	return d
}

func open(t *testing.T, url string) *pgshelf.Shelf {
	t.Helper()
	s, err := pgshelf.Open(t.Context(), vault.NewSecret(url), pgshelf.Options{})
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

func migrated(t *testing.T) (*postgres.Database, string) {
	t.Helper()
	d := database(t)
	url := d.URL(postgres.Owner)
	must(t, pgshelf.Migrate(t.Context(), vault.NewSecret(url)))
	return d, url
}

// wantFault wants a Fault of this class with these words, and no secret, in its one line.
func wantFault(t *testing.T, err error, class mail.Class, words ...string) {
	t.Helper()
	f, ok := mail.AsFault(err)
	if !ok || f.Class != class {
		t.Fatalf("error = %v, want a fault of class %d", err, class)
	}
	if class == mail.Transient && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)) {
		t.Errorf("%v passes for a word about a key", f.Err)
	}
	for _, w := range words {
		if !strings.Contains(f.Error(), w) {
			t.Errorf("fault = %q, without %q", f.Error(), w)
		}
	}
	if strings.ContainsAny(f.Error(), "\r\n") || strings.Contains(f.Error(), "hunter2") {
		t.Errorf("fault = %q: not one line, or with a password", f.Error())
	}
}

func TestPostgresShelf(t *testing.T) {
	t.Parallel()
	d, url := migrated(t)
	vaulttest.Run(t, func(t *testing.T) vault.Shelf {
		must(t, d.Server.SQL(d.Name, "TRUNCATE keystore"))
		return open(t, url)
	})
}

func TestPostgresShelfOverItsSocket(t *testing.T) {
	t.Parallel()
	d, _ := migrated(t)
	vaulttest.Run(t, func(t *testing.T) vault.Shelf {
		must(t, d.Server.SQL(d.Name, "TRUNCATE keystore"))
		return open(t, d.SocketURL(postgres.Owner))
	})
}

func TestTheServiceNeedsNoMoreThanItsTable(t *testing.T) {
	t.Parallel()
	d, _ := migrated(t)
	url := d.URL(postgres.Service)
	_, err := pgshelf.Open(t.Context(), vault.NewSecret(url), pgshelf.Options{})
	wantFault(t, err, mail.Setup, "refuses its role", "GRANT")
	must(t, d.Server.SQL(d.Name, "GRANT SELECT ON keystore_version TO "+postgres.Service,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON keystore TO "+postgres.Service))
	vaulttest.Run(t, func(t *testing.T) vault.Shelf {
		must(t, d.Server.SQL(d.Name, "TRUNCATE keystore"))
		return open(t, url)
	})
}

func TestADatabaseOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	d := database(t)
	url := vault.NewSecret(d.URL(postgres.Owner))
	_, err := pgshelf.Open(t.Context(), url, pgshelf.Options{})
	wantFault(t, err, mail.Setup, "run smtp-sync migrate")
	_, err = pgshelf.Open(t.Context(), url, pgshelf.Options{Inside: true})
	wantFault(t, err, mail.Setup, "run smtp-sync migrate")
	must(t, pgshelf.Migrate(t.Context(), url))
	must(t, d.Server.SQL(d.Name, "INSERT INTO keystore_version (version_id, is_applied) VALUES (99, true)"))
	_, err = pgshelf.Open(t.Context(), url, pgshelf.Options{})
	wantFault(t, err, mail.Setup, "at version 99", "newer release")
	wantFault(t, pgshelf.Migrate(t.Context(), url), mail.Setup, "at version 99")
	must(t, d.Server.SQL(d.Name, "UPDATE keystore_version SET version_id = 0"))
	_, err = pgshelf.Open(t.Context(), url, pgshelf.Options{})
	wantFault(t, err, mail.Setup, "run smtp-sync migrate")
}

func TestMigrationsAtOnceAndAgainChangeNothing(t *testing.T) {
	t.Parallel()
	d := database(t)
	url := vault.NewSecret(d.URL(postgres.Owner))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := pgshelf.Migrate(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := open(t, d.URL(postgres.Owner))
	must(t, s.Create(t.Context(), "users/1/key", []byte("x")))
	must(t, pgshelf.Migrate(t.Context(), url))
	if b, err := s.Get(t.Context(), "users/1/key"); err != nil || string(b) != "x" {
		t.Errorf("after another migration the record is %q, %v", b, err)
	}
}

// TestAnAbsentDatabaseIsNoMissingKey: whoever needs a key waits and comes back,
// instead of taking its user for wiped or its key for damaged.
func TestAnAbsentDatabaseIsNoMissingKey(t *testing.T) {
	t.Parallel()
	server, err := postgres.Launch(postgres.Options{})
	if err != nil {
		t.Skip(err)
	}
	defer server.Stop()
	d, err := server.Create("")
	must(t, err)
	url := vault.NewSecret(d.URL(postgres.Owner))
	must(t, pgshelf.Migrate(t.Context(), url))
	s := open(t, url.RevealString())
	must(t, s.Create(t.Context(), "users/1/key", []byte("x")))
	server.Stop()
	_, err = s.Get(t.Context(), "users/1/key")
	wantFault(t, err, mail.Transient, "cannot be reached")
	for name, err := range map[string]error{
		"create": s.Create(t.Context(), "users/2/key", nil), "swap": s.Swap(t.Context(), "users/1/key", []byte("x"), nil), "destroy": s.Destroy(t.Context(), "users/1"),
	} {
		if mail.ClassOf(err) != mail.Transient {
			t.Errorf("%s = %v, want that it is tried again", name, err)
		}
	}
	if _, err := pgshelf.Open(t.Context(), url, pgshelf.Options{}); mail.ClassOf(err) != mail.Transient {
		t.Errorf("open = %v, want that it is tried again", err)
	}
}

func TestKeysAreSentToCheckedServersAlone(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]mail.Class{
		"postgres://k:hunter2@keys.invalid/k":                                       mail.Transient, // checked, as nothing else is said
		"postgres://k:hunter2@keys.example/k?sslmode=disable":                       mail.Setup,
		"postgres://k:hunter2@keys.example/k?sslmode=prefer":                        mail.Setup,
		"postgres://k:hunter2@keys.example/k?sslmode=require":                       mail.Setup,
		"postgres://k:hunter2@keys.example/k?sslmode=verify-ca":                     mail.Setup,
		"postgres://k:hunter2@127.0.0.1,keys.example/k?sslmode=disable":             mail.Setup,
		"postgres://k:hunter2@keys.invalid/k?sslmode=verify-full&connect_timeout=1": mail.Transient,
		"postgres://k:hunter2@127.0.0.1:1/k":                                        mail.Transient,
		"postgres://k:hunter2@[::1]:1/k":                                            mail.Transient,
		"postgres:///k?host=/nowhere&user=k&password=hunter2":                       mail.Transient,
		"postgres://k:hunter2@keys.example:port/k":                                  mail.Setup,
	} {
		_, err := pgshelf.Open(t.Context(), vault.NewSecret(url), pgshelf.Options{})
		wantFault(t, err, want)
	}
}

func TestAWrongPasswordIsTheOperatorsToCorrect(t *testing.T) {
	t.Parallel()
	d, url := migrated(t)
	_, err := pgshelf.Open(t.Context(), vault.NewSecret(strings.Replace(url, d.Name, "nothing", 1)), pgshelf.Options{})
	wantFault(t, err, mail.Setup, "refuses the connection", "SMTPSYNC_KEYSTORE_URL")
	_, err = pgshelf.Open(t.Context(), vault.NewSecret(strings.Replace(url, postgres.Owner, "nobody", 1)), pgshelf.Options{})
	wantFault(t, err, mail.Setup, "refuses the connection")
}

func TestADestroyedRecordIsInNoDump(t *testing.T) {
	t.Parallel()
	_, url := migrated(t)
	s := open(t, url)
	record := []byte("a wrapped key of somebody")
	must(t, s.Create(t.Context(), "users/1/key", record))
	octets := []byte(hex.EncodeToString(record)) // as a dump has it
	if !bytes.Contains(dump(t, url), octets) {
		t.Fatal("the dump of before does not hold the record")
	}
	must(t, s.Destroy(t.Context(), "users/1"))
	if after := dump(t, url); bytes.Contains(after, octets) || bytes.Contains(after, []byte("users/1")) {
		t.Error("a dump of after holds the record")
	}
}

// dump gives what pg_dump says of a database.
func dump(t *testing.T, url string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pg_dump", "--dbname", url).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	return out
}
