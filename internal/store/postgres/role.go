package postgres

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

//go:embed sql/admit.sql
var admitSQL string

// admit refuses a role for which row-level security would be no boundary, and a
// database that another release has made.
func (s *Store) admit(ctx context.Context) error {
	var (
		role                                  string
		super, bypass, owns, becomes, defines bool
		server, schema                        int
	)
	err := s.connected(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, admitSQL).Scan(&role, &super, &bypass, &owns, &becomes, &defines, &server)
	})
	if err != nil {
		return err
	}
	refuse := func(what string) error {
		return &mail.Fault{Class: mail.Setup, Code: "database_role", Text: fmt.Sprintf("the database role %s %s, so nothing would keep users apart", role, what),
			Help: "give SMTPSYNC_DATABASE_URL a role made by CREATE ROLE … LOGIN NOSUPERUSER NOBYPASSRLS, and SMTPSYNC_DATABASE_ADMIN_URL the one that owns the tables"}
	}
	switch {
	case super:
		return refuse("is a superuser")
	case bypass:
		return refuse("bypasses row security")
	case owns:
		return refuse("owns tables")
	case becomes:
		return refuse("may become one that is a superuser, bypasses row security or owns the tables")
	case defines:
		return refuse("may make objects in the schema of the tables")
	}
	if server >= 170000 {
		s.openingSQL = openingSQL17
	}
	err = s.connected(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, "SELECT coalesce(max(version_id), 0)::integer FROM goose_db_version WHERE is_applied").Scan(&schema)
	})
	switch {
	case sqlState(err) == noTable, err == nil && schema < latest:
		return &mail.Fault{Class: mail.Setup, Code: "schema_older",
			Text: fmt.Sprintf("the database is of an older release (schema %d, this one needs %d)", schema, latest), Help: "run smtp-sync migrate"}
	case err == nil && schema > latest:
		return newer(int64(schema))
	}
	return err
}

// newer is the fault of a database that a later release has migrated.
func newer(schema int64) error {
	return &mail.Fault{Class: mail.Setup, Code: "schema_newer",
		Text: fmt.Sprintf("the database is of a newer release (schema %d, this one knows %d)", schema, latest), Help: "run that release or a later one"}
}
