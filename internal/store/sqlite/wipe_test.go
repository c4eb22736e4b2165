package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// secrets are markers, each put where one kind of thing is kept.
var secrets = []string{"MARK-password", "MARK-refresh", "MARK-access", "MARK-provider", "MARK-token", "MARK-email", "MARK-session", "mark.domain.example", "MARK-host", "MARK-username", "MARK-subject", "MARK-label", "MARK-client", "MARK-name", "MARK-locale", "MARK-key", "MARK-rule", "MARK-config", "MARK-manifest", "MARK-module"}

func fillWithMarkers(t *testing.T, s *Store) (id.User, *Ledger, id.Mailbox) {
	t.Helper()
	u := newUser(t, s, "MARK-subject")
	box, err := s.EnsureMailbox(t.Context(), u, account.Mailbox{Protocol: "imap", Host: "MARK-host", Port: 993,
		Username: "MARK-username", Password: vault.NewSecret("MARK-password"), Label: "MARK-label"})
	ok(t, err)
	ok(t, s.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret("MARK-token"), Email: "MARK-email", Sub: "MARK-subject"}))
	l := takeLedger(t, s, u, box.ID)
	c := newClaim("MARK-session")
	c.Domain = "mark.domain.example"
	ok(t, l.Claim(t.Context(), c))
	ok(t, l.Record(t.Context(), newKey(), ledger.Outcome{Status: mail.Imported, Domain: "mark.domain.example"}))
	ok(t, s.SetProfile(t.Context(), u, account.Profile{Locale: "MARK-locale"}))
	_, _, err = s.BeginSession(t.Context(), u, "MARK-client", vault.Secret{})
	ok(t, err)
	_, _, err = s.IssueToken(t.Context(), u, session.NewToken{Name: "MARK-name", Scopes: session.AuditRead})
	ok(t, err)
	_, _, err = s.StartRequest(t.Context(), u, "MARK-key", []byte("MARK-password"))
	ok(t, err)
	wasm := []byte("MARK-module and some octets more")
	ok(t, s.AddModule(t.Context(), u, rules.Module{Digest: rules.Sum(wasm), Manifest: []byte(`{"name":"MARK-manifest"}`), Wasm: wasm}))
	_, err = s.PutRule(t.Context(), u, rules.Rule{Name: "MARK-rule", Plugin: rules.Sum(wasm).String(), Config: []byte(`{"x":"MARK-config"}`), Mailboxes: []id.Mailbox{box.ID}}, 0)
	ok(t, err)
	ok(t, s.Notices(t.Context(), u, func(m *notify.Memory) {
		m.Incidents[box.ID] = notify.Incident{Trouble: notify.Login, Code: "MARK-code"}
		m.Outbox = []notify.Notice{{ID: id.New[notify.ID](), Kind: notify.Failing, About: "MARK-about", Boxes: []notify.About{{Mailbox: box.ID, Refused: 1}}}}
	}))
	ok(t, s.LinkCustomer(t.Context(), u, "MARK-customer"))
	ok(t, s.SaveSubscription(t.Context(), u, plan.Subscription{ID: "MARK-sub", Plan: plan.Plus, Status: "active"}))
	return u, l, box.ID
}

// addConsent gives a user another mailbox, which is opened with tokens.
func addConsent(t *testing.T, s *Store, u id.User) id.Mailbox {
	t.Helper()
	box, err := s.EnsureMailbox(t.Context(), u, account.Mailbox{Protocol: "imap", Host: "MARK-host", Port: 993, Username: "MARK-other",
		Consent: account.Consent{Provider: "MARK-provider", Refresh: vault.NewSecret("MARK-refresh"), Access: vault.NewSecret("MARK-access"),
			Ends: time.Date(2026, 11, 24, 17, 0, 0, 0, time.UTC)}})
	ok(t, err)
	return box.ID
}

// wantNoMarkers looks through every file below dir.
func wantNoMarkers(t *testing.T, dir string) {
	t.Helper()
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range secrets {
			if bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(m))) {
				t.Errorf("%s holds %s", filepath.Base(path), m)
			}
		}
		return err
	}))
}

func TestNothingIsOnDiskInTheClear(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u, _, _ := fillWithMarkers(t, s)
	addConsent(t, s, u)
	wantNoMarkers(t, dir) // in the WALs
	ok(t, s.Close())
	wantNoMarkers(t, dir) // in the databases
}

// TestSecretsAreSealedOnceMore looks at the rows themselves.
func TestSecretsAreSealedOnceMore(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	u, l, box := fillWithMarkers(t, s)
	dump := func() (out string) {
		ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
			for _, q := range []string{"SELECT password FROM mailboxes", "SELECT refresh_token || email || sub FROM grants, person",
				"SELECT group_concat(session || verdict || domain) FROM claims"} {
				st, _, err := u.conn.Prepare(q)
				if err != nil {
					return err
				}
				for st.Step() {
					out += st.ColumnText(0)
				}
				st.Close()
			}
			return nil
		}))
		return out
	}
	for _, m := range []string{"MARK-password", "MARK-token", "MARK-email", "MARK-subject", "MARK-session"} {
		if strings.Contains(dump(), m) {
			t.Errorf("%s is in a row in the clear", m)
		}
	}
	claims, err := l.Claims(t.Context())
	ok(t, err)
	// A sealed session moved to another row does not open there.
	second := newClaim("x")
	ok(t, l.Claim(t.Context(), second))
	swap := func(sql string) {
		ok(t, s.inUser(t.Context(), u, func(u *userDB) error { return u.conn.Exec(sql) }))
	}
	swap(`UPDATE claims SET session = (SELECT session FROM claims AS c WHERE c.pair <> claims.pair)`)
	if _, err := l.Claims(t.Context()); err == nil {
		t.Error("a session opened in another row")
	}
	ok(t, l.Settle(t.Context(), second.Key, ledger.Outcome{Status: mail.Failed}))
	ok(t, l.Settle(t.Context(), claims[0].Key, ledger.Outcome{Status: mail.Failed}))
	if strings.Contains(dump(), "mark.domain.example") {
		t.Error("a settled entry still has its claim's domain")
	}
	other := newMailbox(t, s, u, "other")
	swap(`UPDATE mailboxes SET password = (SELECT password FROM mailboxes WHERE n = 1)`)
	if _, err := s.Mailboxes(t.Context(), u); err == nil {
		t.Errorf("the password of %v opened as that of %v", box, other)
	}
}

func TestWipedUserLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u, l, box := fillWithMarkers(t, s)
	copied, err := os.ReadFile(s.userFile(u)) // a backup that survives
	ok(t, err)
	var traces [][]byte // that the system database has of the user
	for _, column := range []string{"hash FROM sessions", "id FROM sessions", "client FROM sessions", "hash FROM tokens", "id FROM tokens", "name FROM tokens", "subject FROM users"} {
		traces = append(traces, blobs(t, s.system, "SELECT "+column)...)
	}
	ok(t, s.system.scrub(t.Context()))
	for _, marker := range secrets {
		wantOutOfSystem(t, s, []byte(marker))
	}
	w, err := s.WipeUser(t.Context(), u)
	ok(t, err)
	want := map[string]int64{"users": 1, "mailboxes": 1, "entries": 1, "claims": 1, "audit": 1, "grants": 1, "schedule": 1, "wheel": 1,
		"person": 1, "profile": 1, "requests": 1, "totals": 1, "sessions": 1, "tokens": 1}
	for table, n := range want {
		if w.Rows[table] != n {
			t.Errorf("receipt: %d rows of %s, want %d", w.Rows[table], table, n)
		}
	}
	wantOutOfSystem(t, s, u[:])
	wantOutOfSystem(t, s, box[:])
	// That Google is to be told is the last that is known of anybody.
	ok(t, s.ErrandDone(t.Context(), w.ID, account.GoogleRevoke))
	for _, trace := range traces {
		wantOutOfSystem(t, s, trace)
	}
	if len(traces) != 7 {
		t.Errorf("traces = %d, want 7", len(traces))
	}
	files, err := filepath.Glob(s.userFile(u) + "*")
	ok(t, err)
	if len(files) != 0 {
		t.Errorf("files left = %v", files)
	}
	if err := record(t, l, newKey()); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("a ledger of who was wiped: %v, want %v", err, ledger.ErrFenced)
	}
	if _, err := l.Entries(t.Context()); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("a ledger of who was wiped: %v, want %v", err, ledger.ErrFenced)
	}
	// The file put back is noise: its key is gone.
	ok(t, os.WriteFile(s.userFile(u), copied, 0o600))
	_, err = s.Mailboxes(t.Context(), u)
	wantFault(t, err, mail.Setup, "key_missing")
}

// wantOutOfSystem reads the system database as the disk has it, decrypted: an id
// must be on none of its pages, in use or free, and the WAL must be empty.
func wantOutOfSystem(t *testing.T, s *Store, id []byte) {
	t.Helper()
	b := plain(t, s.system.path, s.index.PageKey())
	if bytes.Contains(b, id) {
		t.Errorf("the system database still has %x", id)
	}
}

// TestNobodyIsSignedInToAWipe: from the first step of a wipe on, before any row
// is gone.
func TestNobodyIsSignedInToAWipe(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	_, cookie, err := s.BeginSession(t.Context(), u, "", vault.Secret{})
	ok(t, err)
	_, text, err := s.IssueToken(t.Context(), u, session.NewToken{Scopes: session.AuditRead})
	ok(t, err)
	ok(t, s.system.write(t.Context(), func() error {
		_, err := s.q.MarkWiping(context.Background(), systemdb.MarkWipingParams{Receipt: "x", ID: u[:]})
		return err
	}))
	_, err = s.FindSession(t.Context(), cookie)
	wantNone(t, "session", err)
	_, err = s.FindToken(t.Context(), text)
	wantNone(t, "token", err)
	_, _, err = s.BeginSession(t.Context(), u, "", vault.Secret{})
	wantNone(t, "begin", err)
	_, _, err = s.IssueToken(t.Context(), u, session.NewToken{Scopes: session.AuditRead})
	wantNone(t, "issue", err)
	if _, err := s.FindUser(t.Context(), "somebody"); !errors.Is(err, account.ErrNone) {
		t.Errorf("user = %v, want %v", err, account.ErrNone)
	}
	for u, err := range s.Users(t.Context()) {
		t.Errorf("users = %v, %v, want none", u, err)
	}
	// Nor is an unknown user.
	_, _, err = s.BeginSession(t.Context(), id.New[id.User](), "", vault.Secret{})
	wantNone(t, "an unknown user's session", err)
	_, _, err = s.StartRequest(t.Context(), id.New[id.User](), "key", nil)
	wantNone(t, "an unknown user's request", err)
}

func wantNone(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, session.ErrNone) {
		t.Errorf("%s: error = %v, want %v", what, err, session.ErrNone)
	}
}
