package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

func TestMigrateBringsADatabaseToThisRelease(t *testing.T) {
	t.Parallel()
	d, err := postgres.Shared(t).Create("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Drop)
	migrate := func(more ...string) (string, int) {
		var out bytes.Buffer
		env := append([]string{"SMTPSYNC_DATABASE_URL=" + d.URL(postgres.Service), "SMTPSYNC_MASTER_KEY=" + vault.GenerateMaster().RevealString()}, more...)
		code := Main([]string{"migrate"}, env, os.Stdin, &out, &out)
		return out.String(), code
	}
	admin := "SMTPSYNC_DATABASE_ADMIN_URL=" + d.URL(postgres.Owner)
	for _, c := range []struct {
		env   []string
		code  int
		wants []string
	}{
		{nil, exitUsage, []string{"SMTPSYNC_DATABASE_ADMIN_URL: is missing"}},
		{[]string{admin}, exitDone, []string{"0001_system: done", "0002_user: done", "the database is of this release"}},
		{[]string{admin}, exitDone, []string{"the database is of this release"}},
		{[]string{"SMTPSYNC_DATABASE_URL=sqlite://" + t.TempDir()}, exitDone, []string{"the data directory is of this release"}},
	} {
		out, code := migrate(c.env...)
		if code != c.code {
			t.Errorf("%v: exit %d, want %d: %s", c.env, code, c.code, out)
		}
		for _, w := range c.wants {
			if !strings.Contains(out, w) {
				t.Errorf("%v: %q is not in %s", c.env, w, out)
			}
		}
	}
	if out, _ := migrate(admin); strings.Contains(out, "done in") {
		t.Errorf("a second run did something: %s", out)
	}
}
