package postgres

import (
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
)

func TestMigrateMayBeRepeatedAndGivesTheServiceItsRights(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	var err error
	i.Database, err = server.Create("")
	ok(t, err)
	t.Cleanup(i.Drop)
	done, err := Migrate(t.Context(), secret(i.URL(postgres.Owner)), secret(i.URL(postgres.Service)))
	if ok(t, err); len(done) != latest {
		t.Errorf("steps = %v, want %d", done, latest)
	}
	ok(t, i.Server.SQL(i.Name, "REVOKE ALL ON sessions FROM "+postgres.Service))
	done, err = Migrate(t.Context(), secret(i.URL(postgres.Owner)), secret(i.SocketURL(postgres.Service)))
	if ok(t, err); len(done) != 0 {
		t.Errorf("steps of a second run = %v, want none", done)
	}
	ok(t, i.open(t, Options{}).Ping(t.Context()))
}

func TestTwoMigrationsAtOnceWaitForEachOther(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	empty, err := server.Create("")
	ok(t, err)
	t.Cleanup(empty.Drop)
	i.Database = empty
	ended := make(chan error)
	for range 2 {
		go func() {
			_, err := Migrate(t.Context(), secret(i.URL(postgres.Owner)), secret(i.URL(postgres.Service)))
			ended <- err
		}()
	}
	for range 2 {
		ok(t, <-ended)
	}
	ok(t, i.open(t, Options{}).Ping(t.Context()))
}

func TestMigrateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	_, err := Migrate(t.Context(), secret(i.URL(postgres.Owner)), secret(i.URL(postgres.Owner)))
	wantText(t, err, "name one role")
	_, err = Migrate(t.Context(), secret(i.URL(postgres.Owner)), secret(i.URL("nobody_here")))
	wantText(t, err, "nobody_here, does not exist", "CREATE ROLE")
	_, err = Migrate(t.Context(), secret(i.At(postgres.Owner, "127.0.0.1", 1)), secret(i.URL(postgres.Service)))
	wantText(t, err, "does not answer")
}
