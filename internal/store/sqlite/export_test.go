package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// exported gives all that a user is told is held, as text.
func exported(t *testing.T, s *Store, u id.User) string {
	t.Helper()
	text, err := export(t.Context(), s, u)
	ok(t, err)
	return text
}

func export(ctx context.Context, s *Store, u id.User) (string, error) {
	e, err := s.Export(ctx, u)
	if err != nil {
		return "", err
	}
	e.At = time.Time{}
	all := []any{e}
	for line, err := range s.Lines(ctx, u, audit.Filter{}) {
		if err != nil {
			return "", err
		}
		all = append(all, line)
	}
	for _, m := range e.Boxes {
		box, err := id.Parse[id.Mailbox](m.ID)
		if err != nil {
			return "", err
		}
		for r, err := range s.Remembered(ctx, u, box) {
			if err != nil {
				return "", err
			}
			all = append(all, r)
		}
	}
	text, err := json.Marshal(all)
	return string(text), err
}

func TestExportHasAllThatIsHeldAndNothingThatOpensAnything(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, l, _ := fillWithMarkers(t, s)
	addConsent(t, s, u)
	other := newUser(t, s, "OTHER-subject")
	_, _, err := s.IssueToken(t.Context(), other, session.NewToken{Name: "OTHER-name", Scopes: session.AuditRead})
	ok(t, err)
	newMailbox(t, s, other, "OTHER-username")
	_, cookie, err := s.BeginSession(t.Context(), u, "MARK-client", vault.Secret{})
	ok(t, err)
	_, text, err := s.IssueToken(t.Context(), u, session.NewToken{Name: "MARK-name", Scopes: session.AuditRead})
	ok(t, err)
	ok(t, s.FinishRequest(t.Context(), u, "MARK-key", session.Answer{Status: 201, Resource: "MARK-resource"}))
	_, _, err = s.Days().Take(t.Context(), "2026-11-24", u, quota.Amount{Units: 1, Bytes: 4711}, quota.Amount{})
	ok(t, err)
	entries, err := l.Entries(t.Context())
	ok(t, err)

	got := exported(t, s, u)
	want := []string{"MARK-email", "MARK-subject", "MARK-username", "MARK-provider", "mark-host", "MARK-label", "MARK-client", "MARK-name", "MARK-locale", "MARK-resource", "MARK-rule", "MARK-config", "MARK-manifest", "MARK-code", "MARK-about", "MARK-customer", "MARK-sub",
		"mark.domain.example", `"has_password":true`, `"bytes":4711`, `"imported":1`, `"active"`, "passwords"}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("the export has not %s", w)
		}
	}
	if len(entries) != 2 || strings.Count(got, `"key":"`) != 2 {
		t.Errorf("messages = %d, want the one that has ended and the one under way", strings.Count(got, `"key":"`))
	}
	for _, secret := range []string{"MARK-password", "MARK-token", "MARK-refresh", "MARK-access", "MARK-session", "MARK-key", cookie.RevealString(), text.RevealString(), "OTHER"} {
		if strings.Contains(got, secret) {
			t.Errorf("the export has %s", secret)
		}
	}
	if _, err := s.Export(t.Context(), id.New[id.User]()); err != account.ErrNone {
		t.Errorf("an unknown user's export: %v, want %v", err, account.ErrNone)
	}
}

// unshown are the columns of which an export tells nothing, by the reason.
var unshown = map[string]string{
	"a keyed hash under which something is looked up": "users.subject sessions.hash tokens.hash grant_marks.mark signals.subject signals.mark " +
		"customers.hash requests.key requests.request errands.subject used_once.hash wheel.lane",
	"sealed, and given to nobody":                             "grants.refresh_token",
	"leads to a row that is in the export":                    "users.id grant_marks.user_id watch.user_id customers.user_id wheel.user_id wheel.mailbox_id audit.pair",
	"there is one row, and this makes sure of it":             "fence.one told.one billing.one grants.one person.one profile.one",
	"the order in which the export has them":                  "rules.position",
	"downloaded by itself, as the export says":                "modules.wasm",
	"whoever knows it could upload":                           "claims.session",
	"a hash of what is sent so far, to go on from there":      "claims.checkpoint_sum",
	"made of what is in the export: the port":                 "mailboxes.service",
	"the kind of the reason, which is in the export":          "schedule.class",
	"a copy of a mailbox's state, for a start":                "wheel.phase wheel.until wheel.every wheel.dirty",
	"when is looked for what there is to tell, or to fetch":   "watch.at customers.due",
	"about no person":                                         "fence.epoch quota_day.day quota_day.units used_once.until users.swept users.signed_up",
	"news from Google, until it is acted upon a second later": "signals.id signals.kind signals.reason signals.at",
	"somebody is being wiped, and can ask no more":            "users.receipt wipes.receipt wipes.of wipes.user_id wipes.mailbox_id wipes.counts",
	"belongs to nobody: who has the receipt reads it": "receipts.id receipts.of receipts.at receipts.counts receipts.key_destroyed " +
		"errands.receipt errands.what errands.since errands.secret errands.state errands.key_gone",
}

// sealed are the columns that an export opens, and whether it shows what is in
// them.
var sealed = map[string]struct {
	mark  string
	shown bool
}{
	"mailboxes.password": {"MARK-password", false},
	"consents.refresh":   {"MARK-refresh", false}, "consents.access": {"MARK-access", false},
	"person.email": {"MARK-email", true}, "person.sub": {"MARK-subject", true},
	"billing.customer": {"MARK-customer", true}, "sessions.client": {"MARK-client", true}, "tokens.name": {"MARK-name", true},
}

// TestEveryColumnIsInTheExport changes one column after the other behind the
// store's back: an export that stays the same does not tell of it, for which
// there must be a reason above.
func TestEveryColumnIsInTheExport(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, _, _ := fillWithMarkers(t, s)
	addConsent(t, s, u)
	ok(t, s.FinishRequest(t.Context(), u, "MARK-key", session.Answer{Status: 201, Resource: "MARK-resource"}))
	ok(t, s.SetProfile(t.Context(), u, account.Profile{Locale: "MARK-locale", TimeZone: "Europe/Vienna", Notices: []byte(`{}`)}))
	_, _, err := s.Days().Take(t.Context(), "2026-11-24", u, quota.Amount{Units: 1, Bytes: 4711}, quota.Amount{})
	ok(t, err)
	before := exported(t, s, u)
	if again := exported(t, s, u); again != before {
		t.Fatalf("two exports differ:\n%s\n%s", before, again)
	}
	left := map[string]string{}
	for reason, all := range unshown {
		for c := range strings.FieldsSeq(all) {
			left[c] = reason
		}
	}
	check := func(d *database) {
		for _, c := range columns(t, d) {
			after, err := changed(t, d, c, func() (string, error) { return export(t.Context(), s, u) })
			reason := left[c.String()]
			delete(left, c.String())
			secret, isSealed := sealed[c.String()]
			told := err != nil || after != before // it cannot do without
			switch {
			case isSealed && (err == nil || strings.Contains(before, secret.mark) != secret.shown):
				t.Errorf("%s: want it opened, and shown: %t", c, secret.shown)
			case !told && reason == "":
				t.Errorf("%s is held, and an export does not tell of it: add it to account.Export, or say why not in unshown", c)
			case told && reason != "":
				t.Errorf("%s is in the export: it needs no reason not to be", c)
			}
		}
	}
	check(s.system)
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		check(u.database)
		return nil
	}))
	if len(left) > 0 {
		t.Errorf("there is no such column: %v", slices.Sorted(maps.Keys(left)))
	}
}

// column of a table.
type column struct{ table, name, kind string }

func (c column) String() string { return c.table + "." + c.name }

func columns(t *testing.T, d *database) (all []column) {
	t.Helper()
	for _, row := range blobs(t, d, `SELECT m.name || ' ' || p.name || ' ' || p.type
		FROM sqlite_master AS m, pragma_table_info(m.name) AS p
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%'`) {
		f := strings.Fields(string(row))
		all = append(all, column{f[0], f[1], f[2]})
	}
	return all
}

// changed does something while a column has other values, whatever they mean.
func changed(t *testing.T, d *database, c column, do func() (string, error)) (string, error) {
	t.Helper()
	sql := func(text string) {
		t.Helper()
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := d.conn.Exec(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	other := map[string]string{"INTEGER": "%s + 2", "TEXT": "%s || 'x'", "BLOB": "randomblob(max(length(%s), 16))"}[c.kind]
	sql("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; BEGIN")
	defer sql("ROLLBACK; PRAGMA foreign_keys = ON; PRAGMA ignore_check_constraints = OFF")
	sql(fmt.Sprintf("UPDATE %s SET %s = "+other, c.table, c.name, c.name))
	return do()
}

// TestEveryTableIsThoughtOf: who adds a table adds it to the wipe and its
// receipt, to the export, and to what a revocation destroys, or has a reason not
// to. Then its name goes here.
func TestEveryTableIsThoughtOf(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	tables := func(d *database) (names []string) {
		for _, n := range blobs(t, d, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY name") {
			names = append(names, string(n))
		}
		return names
	}
	want := []string{"customers", "errands", "grant_marks", "quota_day", "quota_user_day", "receipts", "sessions", "signals", "tokens", "used_once", "users", "watch", "wheel", "wipes"}
	if got := tables(s.system); !slices.Equal(got, want) {
		t.Errorf("tables of the system database = %v, want %v", got, want)
	}
	ok(t, s.inUser(t.Context(), newUser(t, s, "somebody"), func(u *userDB) error {
		want := []string{"audit", "billing", "claims", "consents", "entries", "fence", "grants", "incidents", "mailboxes", "modules", "notice_mailboxes", "notices", "person", "profile", "requests", "rule_mailboxes", "rules", "schedule", "told", "totals"}
		if got := tables(u.database); !slices.Equal(got, want) {
			t.Errorf("tables of a user's database = %v, want %v", got, want)
		}
		return nil
	}))
}
