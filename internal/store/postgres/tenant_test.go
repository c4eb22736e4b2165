package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
)

// system are the tables that belong to no user's door, which the tests know by
// name: a new table is behind the door, or is added here with a reason.
var system = []string{"users", "fences", "keystore", "sessions", "tokens", "used_once", "receipts", "wipes", "errands",
	"grant_marks", "signals", "quota_day", "quota_user_day", "wheel", "goose_db_version"}

// table is one of the database as it is after all migrations.
type table struct {
	name              string
	enabled, forced   bool
	partition         bool
	policy            string // that says which rows are seen, and which may be written
	service           bool   // its role may read it by name
	columns, required []string
	types             map[string]string
}

func tables(t *testing.T, c *pgxpool.Conn) (all []table) {
	t.Helper()
	rows, err := c.Query(t.Context(), `
		SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
			coalesce((SELECT string_agg(p.polcmd::text || ' ' || p.polpermissive::text || ' ' || pg_get_expr(p.polqual, p.polrelid) || ' / ' || pg_get_expr(p.polwithcheck, p.polrelid), '; ')
				FROM pg_policy AS p WHERE p.polrelid = c.oid), ''),
			has_table_privilege($1, c.oid, 'SELECT')
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		ORDER BY c.relname`, postgres.Service)
	ok(t, err)
	all, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (x table, err error) {
		return x, r.Scan(&x.name, &x.enabled, &x.forced, &x.partition, &x.policy, &x.service)
	})
	ok(t, err)
	for i := range all {
		all[i].types = map[string]string{}
		rows, err := c.Query(t.Context(), `
			SELECT column_name, data_type, is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`, all[i].name)
		ok(t, err)
		var name, kind string
		var required bool
		_, err = pgx.ForEachRow(rows, []any{&name, &kind, &required}, func() error {
			all[i].columns = append(all[i].columns, name)
			all[i].types[name] = kind
			if required {
				all[i].required = append(all[i].required, name)
			}
			return nil
		})
		ok(t, err)
	}
	return all
}

// super connects as the superuser, whom no policy concerns.
func (i *installation) super(t *testing.T, role string) *pgxpool.Conn {
	t.Helper()
	pool, err := connect(secret(i.URL(role)+"?pool_max_conns=1"), "URL")
	ok(t, err)
	t.Cleanup(pool.Close)
	c, err := pool.Acquire(t.Context())
	ok(t, err)
	t.Cleanup(c.Release)
	return c
}

const ownRows = "* true (user_id = ( SELECT app_user() AS app_user)) / (user_id = ( SELECT app_user() AS app_user))"

func TestEveryTableIsBehindTheDoorOrNamedAsOneThatIsNot(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.open(t, Options{})
	found := map[string]bool{}
	for _, x := range tables(t, i.super(t, postgres.Super)) {
		found[x.name] = true
		if slices.Contains(system, x.name) {
			if x.enabled || x.policy != "" {
				t.Errorf("%s is named as a system table and has policies", x.name)
			}
			continue
		}
		if !x.enabled || !x.forced || x.policy != ownRows {
			t.Errorf("%s: row security enabled %t, forced %t, policy %q", x.name, x.enabled, x.forced, x.policy)
		}
		if !slices.Contains(x.columns, "user_id") {
			t.Errorf("%s says nowhere whose its rows are", x.name)
		}
		if x.partition == x.service {
			t.Errorf("%s: a partition is %t, and the service may read it by name %t", x.name, x.partition, x.service)
		}
	}
	for _, name := range system {
		if !found[name] {
			t.Errorf("there is no table %s", name)
		}
	}
	if len(found) < len(system)+15 {
		t.Errorf("only %d tables were looked at", len(found))
	}
}

// escape is one user's row in every table.
type escape struct {
	user id.User
	n    int32 // of the mailbox
	rule [16]byte
}

// value makes something that a column takes.
func (e *escape) value(t table, column string) any {
	switch t.name + "." + column {
	case "grants.status":
		return "active"
	case "grants.scopes":
		return "[]"
	case "entries.state", "audit.status":
		return 2
	case "rule_mailboxes.rule":
		return e.rule[:]
	}
	switch {
	case column == "mailbox":
		return e.n
	case column == "user_id":
		return e.user[:]
	}
	octets := make([]byte, 32)
	rand.Read(octets)
	switch t.types[column] {
	case "uuid":
		fresh := id.New[id.Audit]()
		return fresh[:]
	case "bytea":
		return octets
	case "boolean":
		return true
	case "text":
		return "x"
	}
	return 1
}

func (e *escape) insert(ctx context.Context, s *Store, as id.User, t table) error {
	var names, places []string
	var args []any
	for _, c := range t.columns {
		if !slices.Contains(t.required, c) && c != "user_id" && c != "id" {
			continue
		}
		names, args = append(names, c), append(args, e.value(t, c))
		places = append(places, fmt.Sprintf("$%d", len(args)))
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.name, strings.Join(names, ", "), strings.Join(places, ", "))
	return s.rawIn(ctx, as, sql, args...)
}

// bareUser makes a user without a row behind the door.
func (s *Store) bareUser(t *testing.T) id.User {
	user, subject := id.New[id.User](), make([]byte, 32)
	rand.Read(subject)
	s.exec(t, "INSERT INTO users (id, subject, signed_up, swept) VALUES ($1, $2, false, 0)", user[:], subject)
	return user
}

// count asks through a door.
func (s *Store) count(t *testing.T, as id.User, sql string, args ...any) (n int) {
	t.Helper()
	ok(t, s.transaction(t.Context(), s.opening(as), func(ctx context.Context, p *pipe) error {
		return p.QueryRow(ctx, sql, args...).Scan(&n)
	}))
	return n
}

// changed runs a statement through a door and tells how many rows it changed.
func (s *Store) changed(t *testing.T, as id.User, sql string, args ...any) (n int64, err error) {
	t.Helper()
	err = s.transaction(t.Context(), s.opening(as), func(ctx context.Context, p *pipe) error {
		tag, err := p.Exec(ctx, sql, args...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// TestNobodyLeavesHisTenancy is made of the tables as they are: each gets a row of
// two users, and neither reaches the other's, nor does who has named nobody.
func TestNobodyLeavesHisTenancy(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	s := i.open(t, Options{})
	super := i.super(t, postgres.Super)
	owner := i.super(t, postgres.Owner)
	behind := map[string]table{}
	for _, x := range tables(t, super) {
		if x.enabled && !x.partition {
			behind[x.name] = x
		}
	}
	// Those that others refer to come first.
	order := append([]string{"mailboxes", "rules"}, slices.DeleteFunc(slices.Sorted(maps.Keys(behind)), func(n string) bool { return n == "mailboxes" || n == "rules" })...)
	a, b := &escape{user: s.bareUser(t)}, &escape{user: s.bareUser(t)}
	for _, e := range []*escape{a, b} {
		for _, name := range order {
			if err := e.insert(t.Context(), s, e.user, behind[name]); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			switch name {
			case "mailboxes":
				ok(t, super.QueryRow(t.Context(), "SELECT n FROM mailboxes WHERE user_id = $1", e.user[:]).Scan(&e.n))
			case "rules":
				ok(t, super.QueryRow(t.Context(), "SELECT id FROM rules WHERE user_id = $1", e.user[:]).Scan(&e.rule))
			}
		}
	}
	nobody := id.User{}
	for name, x := range behind {
		var all int
		ok(t, super.QueryRow(t.Context(), "SELECT count(*) FROM "+name).Scan(&all))
		if all != 2 {
			t.Fatalf("%s has %d rows, want one of each user", name, all)
		}
		ok(t, owner.QueryRow(t.Context(), "SELECT count(*) FROM "+name).Scan(&all))
		if all != 0 {
			t.Errorf("%s: its owner sees %d rows", name, all)
		}
		for who, as := range map[string]id.User{"nobody": nobody, "somebody unknown": id.New[id.User](), "the other": b.user} {
			if n := s.count(t, as, "SELECT count(*) FROM "+name+" WHERE user_id = $1", a.user[:]); n != 0 {
				t.Errorf("%s: %s sees %d rows", name, who, n)
			}
			own := 0
			if as == b.user {
				own = 1
			}
			if n := s.count(t, as, "SELECT count(*) FROM "+name); n != own {
				t.Errorf("%s: %s sees %d rows in all, want %d", name, who, n, own)
			}
			if err := a.insert(t.Context(), s, as, x); sqlState(err) != "42501" {
				t.Errorf("%s: %s inserts a row of the user: %v, want a refusal", name, who, err)
			}
			for _, sql := range []string{"DELETE FROM " + name + " WHERE user_id = $1", "UPDATE " + name + " SET user_id = user_id WHERE user_id = $1"} {
				if n, err := s.changed(t, as, sql, a.user[:]); err != nil || n != 0 {
					t.Errorf("%s: %s changes %d rows, %v", name, who, n, err)
				}
			}
		}
		if _, err := s.changed(t, b.user, "UPDATE "+name+" SET user_id = $1", a.user[:]); sqlState(err) != "42501" {
			t.Errorf("%s: a row is given away: %v, want a refusal", name, err)
		}
		// What refers to a mailbox is of its user.
		if slices.Contains(x.columns, "mailbox") && name != "audit" {
			foreign := &escape{user: b.user, n: a.n, rule: b.rule}
			if err := foreign.insert(t.Context(), s, b.user, x); sqlState(err) != foreignKey && sqlState(err) != unique {
				t.Errorf("%s: a row refers to somebody else's mailbox: %v, want a refusal", name, err)
			}
		}
	}
	for _, partition := range []string{"audit_rest"} {
		if _, err := s.changed(t, b.user, "DELETE FROM "+partition); sqlState(err) != "42501" {
			t.Errorf("%s is reached by its name: %v", partition, err)
		}
	}
}
