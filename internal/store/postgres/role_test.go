package postgres

import (
	"errors"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
)

func TestRolesThatSeeMoreThanADoorAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  []string
		role string
		says string
	}{
		"superuser":        {nil, postgres.Super, "is a superuser"},
		"the owner":        {nil, postgres.Owner, "owns tables"},
		"bypass":           {[]string{"CREATE ROLE r_bypass LOGIN BYPASSRLS"}, "r_bypass", "bypasses row security"},
		"member of super":  {[]string{"CREATE ROLE r_super LOGIN", "GRANT super TO r_super"}, "r_super", "may become"},
		"member of owner":  {[]string{"CREATE ROLE r_owner LOGIN NOINHERIT", "GRANT smtpsync_owner TO r_owner"}, "r_owner", "may become"},
		"member of bypass": {[]string{"CREATE ROLE r_b2 BYPASSRLS", "CREATE ROLE r_member LOGIN", "GRANT r_b2 TO r_member"}, "r_member", "may become"},
		"maker of objects": {[]string{"CREATE ROLE r_maker LOGIN", "GRANT CREATE ON SCHEMA public TO r_maker"}, "r_maker", "may make objects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstallation(t)
			ok(t, i.Server.SQL(i.Name, c.sql...))
			s, err := Open(t.Context(), secret(i.URL(c.role)), i.keys, Options{})
			if err == nil {
				_ = s.Close()
			}
			wantText(t, err, c.role, c.says)
			if mail.ClassOf(err) != mail.Setup {
				t.Errorf("class = %v, want Setup", mail.ClassOf(err))
			}
		})
	}
	i := newInstallation(t)
	ok(t, i.open(t, Options{}).Ping(t.Context()))
}

func TestADatabaseOfAnotherReleaseIsRefused(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	open := func() error {
		s, err := Open(t.Context(), secret(i.URL(postgres.Service)), i.keys, Options{})
		if err == nil {
			err = errors.Join(errors.New("it was opened"), s.Close())
		}
		return err
	}
	ok(t, i.Server.SQL(i.Name, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)"))
	wantText(t, open(), "newer release", "schema 99")
	_, err := Migrate(t.Context(), secret(i.URL(postgres.Owner)), secret(i.URL(postgres.Service)))
	wantText(t, err, "newer release")
	ok(t, i.Server.SQL(i.Name, "DELETE FROM goose_db_version WHERE version_id > 1"))
	wantText(t, open(), "older release", "smtp-sync migrate")

	empty, err := server.Create("")
	ok(t, err)
	t.Cleanup(empty.Drop)
	i.Database = empty
	wantText(t, open(), "older release (schema 0", "smtp-sync migrate")
}
