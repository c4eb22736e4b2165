package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// filled is a user with something of everything; all that tells something about
// him has mark in it.
type filled struct {
	mark    string
	user    id.User
	box     id.Mailbox
	rule    id.Rule
	module  rules.Digest
	line    id.Audit
	session session.ID
	token   session.TokenID
	secrets []string // cookie and API token
}

const requestKey = "request-key"

func fill(t *testing.T, s *Store, mark string) *filled {
	t.Helper()
	ctx, f := t.Context(), &filled{mark: mark}
	u, err := s.SignIn(ctx, account.Person{Email: mark + "-mail@example.org", Sub: mark + "-sub"}, account.SignUp{Rule: "open"})
	ok(t, err)
	f.user = u.ID
	m, err := s.EnsureMailbox(ctx, f.user, account.Mailbox{Name: mark + "-name", Protocol: "imap", Host: mark + "-host.example.org", Port: 993, Security: "tls",
		Username: mark + "-login", Password: secret(mark + "-password"), Label: mark + "-label", Folders: []account.Folder{{Name: mark + "-folder", Label: mark}}})
	ok(t, err)
	f.box = m.ID
	ok(t, s.SetProfile(ctx, f.user, account.Profile{Locale: "de", TimeZone: "Europe/Berlin", Notices: []byte(`{"x":"` + mark + `"}`)}))
	ok(t, s.PutGrant(ctx, f.user, account.Grant{RefreshToken: secret(mark + "-refresh"), Sub: mark + "-sub", Email: mark + "-mail@example.org", Scopes: []string{"scope"}}))
	ok(t, s.Save(ctx, f.user, f.box, schedule.State{Phase: schedule.Failing, Reason: schedule.Reason{Code: "code", Detail: mark + "-detail", Help: mark + "-help"}}))
	ok(t, s.Begin(ctx, f.user, f.box))
	f.module = rules.Digest{1}
	ok(t, s.AddModule(ctx, f.user, rules.Module{Digest: f.module, Manifest: []byte(mark + "-manifest"), Wasm: []byte(mark + "-wasm")}))
	r, err := s.PutRule(ctx, f.user, rules.Rule{Name: mark + "-rule", Plugin: "plugin", Config: []byte(`{"x":"` + mark + `"}`), Mailboxes: []id.Mailbox{f.box}}, 1)
	ok(t, err)
	f.rule = r.ID
	l := takeLedger(t, s, f.user, f.box)
	key := func(n byte) ledger.Key { return ledger.Key{ID: mail.Key{n}, Content: mail.Key{n}} }
	ok(t, l.Claim(ctx, ledger.Claim{Key: key(1), Session: secret(mark + "-session"), Domain: mark + "-domain.example.org", Size: 7}))
	ok(t, l.Record(ctx, key(2), ledger.Outcome{Status: mail.Rejected, Domain: mark + "-sender.example.org", Reason: mark + "-reason", Size: 9}))
	ok(t, l.Record(ctx, key(3), ledger.Outcome{Status: mail.Imported, Domain: mark + "-sender.example.org", Size: 9}))
	page, err := s.List(ctx, f.user, audit.Filter{Status: mail.Rejected}, "", 0)
	ok(t, err)
	f.line = page.Entries[0].ID
	began, cookie, err := s.BeginSession(ctx, f.user, mark+"-browser", vault.Secret{})
	ok(t, err)
	token, text, err := s.IssueToken(ctx, f.user, session.NewToken{Name: mark + "-token", Scopes: session.AuditRead})
	ok(t, err)
	f.session, f.token, f.secrets = began.ID, token.ID, []string{cookie.RevealString(), text.RevealString()}
	_, _, err = s.StartRequest(ctx, f.user, requestKey, []byte(mark+"-request"))
	ok(t, err)
	_, _, err = s.Days().Take(ctx, "2026-11-24", f.user, quota.Amount{Units: 1, Bytes: 1}, quota.Amount{})
	ok(t, err)
	_, err = s.TakeSignals(ctx, mark+"-jti", time.Now().Add(time.Hour), []account.Signal{{Kind: "kind", Reason: "reason", At: time.Now(), Sub: mark + "-sub"}})
	ok(t, err)
	return f
}

// rowsOf gives every row of every table as text, by table: those of one user's, or
// of all if there is none. Octets are in hexadecimal.
func (i *installation) rowsOf(t *testing.T, user id.User) map[string][]string {
	t.Helper()
	super, out := i.super(t, "super"), map[string][]string{}
	for _, x := range tables(t, super) {
		if x.partition {
			continue
		}
		column := map[string]string{"users": "id"}[x.name]
		if column == "" && x.types["user_id"] != "" {
			column = "user_id"
		}
		sql, args := fmt.Sprintf("SELECT r::text FROM %s AS r", x.name), []any{}
		if user != (id.User{}) {
			if column == "" {
				continue
			}
			sql, args = sql+" WHERE "+column+" = $1", []any{user[:]}
		}
		rows, err := super.Query(t.Context(), sql+" ORDER BY 1", args...)
		ok(t, err)
		for rows.Next() {
			var text string
			ok(t, rows.Scan(&text))
			out[x.name] = append(out[x.name], text)
		}
		ok(t, rows.Err())
	}
	return out
}
