// Package servertest is a world for the HTTP side: the memory twins of the
// stores, and doubles of the engine, of Google's sign-in and of the mail
// servers, which do what they are told and remember what they were asked.
package servertest

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/telemetry"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// World is everything around the service.
type World struct {
	Accounts Accounts
	Sessions session.Memory
	Books    Books
	Engine   Engine
	Google   Google
	Sources  *oauth.Clients // of mailboxes; none at first
	Rules    rules.Memory
	Billing  Billing
	Notices  Notices

	// Found, Tried and Clues are what discovery, the connection test and why
	// answer with; Failed is the error of the first two.
	Found  []discover.Candidate
	Tried  probe.Result
	Clues  []api.Clue
	Newly  []mail.Headed // in every mailbox, the newest first
	Failed error
	// Refused is why no password may be kept; nil: any may.
	Refused error
	Panics  any // not nil: discovery panics with it
	Used    int64

	Ready bool
	log   logBuffer

	mu     sync.Mutex
	probed []account.Mailbox
}

// New makes a world in which nothing is.
func New() *World {
	w := &World{Ready: true, Sources: &oauth.Clients{}, Tried: probe.Result{OK: true, Steps: []probe.Step{{Name: "dns", OK: true}}, Folders: []probe.Folder{}}}
	w.Accounts.sessions, w.Accounts.engine = &w.Sessions, &w.Engine
	w.Books.accounts = &w.Accounts
	w.Engine.world = w
	return w
}

// Options gives what the service is made of.
func (w *World) Options() server.Options {
	return server.Options{
		PublicURL: "https://mail.example.org", Key: vault.NewSecret(bytes.Repeat([]byte("k"), 32)),
		Sessions: &w.Sessions, Accounts: &w.Accounts, Books: &w.Books, Rules: rulebook.New(&w.Rules, host(), true), Asker: w, Usage: w.usage, Schedules: &w.Engine, Engine: &w.Engine,
		Finder: w, Prober: w, Google: &w.Google, Sources: w.Sources, Deliveries: deliver, Hosts: hosts{},
		Billing: &w.Billing, Notices: &w.Notices, MailEvents: w.Notices.Take,
		Ready: func() bool { return w.Ready }, SignUp: account.SignUp{Rule: "open"}, BytesPerDay: 500_000_000,
		Log: telemetry.New(&w.log, telemetry.Options{Level: "debug", Format: "json"}), Heartbeat: 15 * time.Second,
	}
}

// host runs plugins; one is enough for all worlds.
var host = sync.OnceValue(func() *plugins.Host {
	h, err := plugins.New(context.Background(), plugins.Options{})
	if err != nil {
		panic("servertest: " + err.Error())
	}
	return h
})

// User makes a user.
func (w *World) User(t *testing.T, sub string) id.User {
	t.Helper()
	u, err := w.Accounts.SignIn(t.Context(), account.Person{Sub: sub, Email: sub + "@gmail.example"}, account.SignUp{Rule: "open"})
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// Cookie signs a user in.
func (w *World) Cookie(t *testing.T, user id.User) vault.Secret {
	t.Helper()
	_, cookie, err := w.Sessions.BeginSession(t.Context(), user, "Firefox on Linux", vault.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

// Token makes a token with these scopes, or with all.
func (w *World) Token(t *testing.T, user id.User, scopes ...string) string {
	t.Helper()
	if len(scopes) == 0 {
		scopes = []string{"mailboxes:read", "mailboxes:write", "audit:read", "rules:write", "account:write"}
	}
	s, err := session.ParseScopes(scopes)
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := w.Sessions.IssueToken(t.Context(), user, session.NewToken{Name: "test", Scopes: s})
	if err != nil {
		t.Fatal(err)
	}
	return text.RevealString()
}

// Mailbox gives a user one.
func (w *World) Mailbox(t *testing.T, user id.User, name string) account.Mailbox {
	t.Helper()
	m, err := w.Accounts.EnsureMailbox(t.Context(), user, account.Mailbox{Name: name, Protocol: "imap", Host: "imap.example.com", Port: 993,
		Security: "tls", Username: name, Password: vault.NewSecret("sesame-" + name), AfterImport: "leave", History: "all"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Log gives what was logged.
func (w *World) Log() string { return w.log.String() }

// Find implements server.Finder.
func (w *World) Find(context.Context, string) ([]discover.Candidate, error) {
	if w.Panics != nil {
		panic(w.Panics)
	}
	return w.Found, w.Failed
}

// Test implements server.Prober, and remembers what was to be tried.
func (w *World) Test(_ context.Context, _ id.User, m account.Mailbox, told func(probe.Step)) (probe.Result, error) {
	w.mu.Lock()
	w.probed = append(w.probed, m)
	w.mu.Unlock()
	for _, s := range w.Tried.Steps {
		if told != nil && w.Failed == nil {
			told(s)
		}
	}
	return w.Tried, w.Failed
}

// Newest implements server.Prober: what is in Newly.
func (w *World) Newest(_ context.Context, _ id.User, box account.Mailbox, n int) ([]mail.Headed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probed = append(w.probed, box)
	return w.Newly[:min(n, len(w.Newly))], w.Failed
}

// Admit implements server.Prober.
func (w *World) Admit(id.User, account.Mailbox) error { return w.Refused }

// Probed gives what was to be tried, and forgets it.
func (w *World) Probed() []account.Mailbox {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.probed
	w.probed = nil
	return was
}

// Why implements server.Asker.
func (w *World) Why(context.Context, id.User, account.Mailbox, audit.Filter) ([]api.Clue, error) {
	return w.Clues, nil
}

func (w *World) usage(context.Context, id.User) (int64, error) { return w.Used, nil }

func deliver(_ context.Context, kind string, body []byte) (int, []byte, error) {
	if kind != "application/secevent+jwt" || string(body) != "good" {
		return 400, []byte(`{"err":"invalid_request","description":"no"}`), &mail.Fault{Class: mail.Protocol, Code: "invalid_request", Text: "no"}
	}
	return 202, nil, nil
}

// hosts refuses one host, and knows the four ports.
type hosts struct{}

func (hosts) CheckHost(h string) (string, error) {
	if h == "127.0.0.1" {
		return "", &mail.Fault{Class: mail.Setup, Code: "address_forbidden", Text: "the mail host is not on the public Internet"}
	}
	return h, nil
}

func (hosts) Ports() []uint16 { return []uint16{110, 143, 993, 995} }

// Accounts are accounts whose wipe reaches the sessions too, as in the stores.
type Accounts struct {
	account.Memory
	sessions *session.Memory
	engine   *Engine
}

// WipeUser forgets a user.
func (a *Accounts) WipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	r, err := a.Memory.WipeUser(ctx, user)
	if err == nil {
		a.sessions.ForgetUser(user)
	}
	return r, err
}

// Export gives what the memory twins have.
func (a *Accounts) Export(ctx context.Context, user id.User) (e account.Export, err error) {
	e = account.Export{At: time.Now().UTC(), LeftOut: account.LeftOut(), User: user.String()}
	if e.Profile, err = a.Profile(ctx, user); err != nil {
		return e, err
	}
	if e.Access, err = a.Access(ctx, user); err != nil {
		return e, err
	}
	if p, err := a.Person(ctx, user); err == nil {
		e.Person = &p
	}
	boxes, err := a.Mailboxes(ctx, user)
	for _, m := range boxes {
		e.Boxes = append(e.Boxes, account.HeldBox{ID: m.ID.String(), Name: m.Name, Protocol: m.Protocol, Host: m.Host, Port: m.Port, Security: m.Security,
			Username: m.Username, HasPassword: !m.Password.Empty(), Folders: m.Folders, Label: m.Label, AfterImport: m.AfterImport, History: m.History,
			State: map[string]any{"phase": "idle"}, Messages: map[string]any{"imported": 7}})
	}
	e.Rules = append(e.Rules, account.HeldRule{ID: "1", Position: 1, Name: "no news", Plugin: "skip-domains", Config: []byte(`{"domains":["a.example"]}`), Mailboxes: []string{}})
	e.Modules = append(e.Modules, account.HeldModule{Digest: "ab", Size: 7, Manifest: []byte(`{"name":"mine"}`)})
	logins, _ := a.sessions.Sessions(ctx, user)
	for _, l := range logins {
		e.Logins = append(e.Logins, account.HeldLogin{ID: l.ID.String(), Client: l.Client, Created: l.Created, LastSeen: l.LastSeen})
	}
	return e, err
}

// Remembered gives one message of each mailbox.
func (a *Accounts) Remembered(_ context.Context, _ id.User, box id.Mailbox) iter.Seq2[account.Remembered, error] {
	return func(yield func(account.Remembered, error) bool) {
		yield(account.Remembered{Key: "key in " + box.String(), Status: "imported"}, nil)
	}
}

// Books is an audit log that can be counted by mailbox.
type Books struct {
	audit.Memory
	accounts *Accounts
}

// Tallies counts all there is.
func (b *Books) Tallies(ctx context.Context, user id.User) (map[id.Mailbox]audit.Tally, error) {
	out := map[id.Mailbox]audit.Tally{}
	for e, err := range b.Lines(ctx, user, audit.Filter{}) {
		if err != nil {
			return nil, err
		}
		if out[e.Mailbox] == nil {
			out[e.Mailbox] = audit.Tally{}
		}
		out[e.Mailbox].Add(e.Status, audit.Amount{Messages: 1, Bytes: e.Size})
	}
	return out, nil
}

// Decide finds the mailbox of a line; nothing can be decided about what is
// imported.
func (b *Books) Decide(ctx context.Context, user id.User, line id.Audit, d audit.Decision) (id.Mailbox, error) {
	for e, err := range b.Lines(ctx, user, audit.Filter{}) {
		switch {
		case err != nil:
			return id.Mailbox{}, err
		case e.ID == line && e.Status == mail.Imported:
			return id.Mailbox{}, audit.ErrDecision
		case e.ID == line:
			return e.Mailbox, b.accounts.engine.note(string(d))
		}
	}
	return id.Mailbox{}, account.ErrNone
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var (
	_ server.Accounts  = (*Accounts)(nil)
	_ server.Sessions  = (*session.Memory)(nil)
	_ server.Books     = (*Books)(nil)
	_ server.Engine    = (*Engine)(nil)
	_ server.Schedules = (*Engine)(nil)
	_ server.Google    = (*Google)(nil)
)
