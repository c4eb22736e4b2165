package sqlite

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

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
	e, err := s.Export(t.Context(), u)
	ok(t, err)
	all := []any{e}
	for line, err := range s.Lines(t.Context(), u, audit.Filter{}) {
		ok(t, err)
		all = append(all, line)
	}
	for _, m := range e.Boxes {
		box, err := id.Parse[id.Mailbox](m.ID)
		ok(t, err)
		for r, err := range s.Remembered(t.Context(), u, box) {
			ok(t, err)
			all = append(all, r)
		}
	}
	text, err := json.Marshal(all)
	ok(t, err)
	return string(text)
}

func TestExportHasAllThatIsHeldAndNothingThatOpensAnything(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, l, _ := fillWithMarkers(t, s)
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
	want := []string{"MARK-email", "MARK-subject", "MARK-username", "mark-host", "MARK-label", "MARK-client", "MARK-name", "MARK-locale", "MARK-resource",
		"mark.domain.example", `"has_password":true`, `"bytes":4711`, `"imported":1`, `"active"`, "passwords"}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("the export has not %s", w)
		}
	}
	if len(entries) != 2 || strings.Count(got, `"key":"`) != 1 {
		t.Errorf("remembered messages = %d, want the one that has ended", strings.Count(got, `"key":"`))
	}
	for _, secret := range []string{"MARK-password", "MARK-token", "MARK-session", "MARK-key", cookie.RevealString(), text.RevealString(), "OTHER"} {
		if strings.Contains(got, secret) {
			t.Errorf("the export has %s", secret)
		}
	}
	if _, err := s.Export(t.Context(), id.New[id.User]()); err != account.ErrNone {
		t.Errorf("an unknown user's export: %v, want %v", err, account.ErrNone)
	}
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
	want := []string{"errands", "grant_marks", "quota_day", "quota_user_day", "receipts", "sessions", "signals", "tokens", "used_once", "users", "wheel", "wipes"}
	if got := tables(s.system); !slices.Equal(got, want) {
		t.Errorf("tables of the system database = %v, want %v", got, want)
	}
	ok(t, s.inUser(t.Context(), newUser(t, s, "somebody"), func(u *userDB) error {
		want := []string{"audit", "claims", "entries", "fence", "grants", "mailboxes", "person", "profile", "requests", "schedule", "totals"}
		if got := tables(u.database); !slices.Equal(got, want) {
			t.Errorf("tables of a user's database = %v, want %v", got, want)
		}
		return nil
	}))
}
