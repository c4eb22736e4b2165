package server

import (
	"context"
	"iter"
	"net/url"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// What the handlers need of the rest of the program. All of it may be used by
// many goroutines at once, and nothing of it answers one user with another's:
// what is not his is ErrNone. An error that is a *mail.Fault is shown; any
// other is "internal error" outside and goes to the operator's log.

// Sessions proves who calls (package session).
type Sessions interface {
	BeginSession(ctx context.Context, user id.User, client string, replaces vault.Secret) (session.Session, vault.Secret, error)
	FindSession(ctx context.Context, cookie vault.Secret) (session.Session, error)
	Sessions(ctx context.Context, user id.User) ([]session.Session, error)
	EndSession(ctx context.Context, user id.User, s session.ID) error

	IssueToken(ctx context.Context, user id.User, n session.NewToken) (session.Token, vault.Secret, error)
	FindToken(ctx context.Context, text vault.Secret) (session.Token, error)
	Tokens(ctx context.Context, user id.User) ([]session.Token, error)
	RevokeToken(ctx context.Context, user id.User, t session.TokenID) error

	StartRequest(ctx context.Context, user id.User, key string, what []byte) (a session.Answer, done bool, err error)
	FinishRequest(ctx context.Context, user id.User, key string, a session.Answer) error
	AbandonRequest(ctx context.Context, user id.User, key string) error
}

// Accounts is who there is and what they have (package account).
type Accounts interface {
	// SignIn finds the user of a person, or makes one if the rule lets it.
	SignIn(ctx context.Context, p account.Person, rule account.SignUp) (account.User, error)
	// Person is who a user is to Google; account.ErrNone after a revocation.
	Person(ctx context.Context, user id.User) (account.Person, error)
	Profile(ctx context.Context, user id.User) (account.Profile, error)
	SetProfile(ctx context.Context, user id.User, p account.Profile) error

	Mailboxes(ctx context.Context, user id.User) ([]account.Mailbox, error)
	Mailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Mailbox, error)
	// EnsureMailbox makes a mailbox, or gives the one of the same identity.
	EnsureMailbox(ctx context.Context, user id.User, box account.Mailbox) (account.Mailbox, error)
	UpdateMailbox(ctx context.Context, user id.User, box account.Mailbox) error

	Access(ctx context.Context, user id.User) (account.Access, error)
	PutGrant(ctx context.Context, user id.User, g account.Grant) error

	WipeMailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Receipt, error)
	WipeGrant(ctx context.Context, user id.User) (account.Receipt, error)
	WipeUser(ctx context.Context, user id.User) (account.Receipt, error)
	Receipt(ctx context.Context, receipt string) (account.Receipt, error)
	// Export gives all that is held about a user but audit and ledger, Remembered
	// what the ledger has of a mailbox's messages.
	Export(ctx context.Context, user id.User) (account.Export, error)
	Remembered(ctx context.Context, user id.User, box id.Mailbox) iter.Seq2[account.Remembered, error]
}

// Books is what became of messages (package audit).
type Books interface {
	List(ctx context.Context, user id.User, f audit.Filter, cursor string, limit int) (audit.Page, error)
	// Tallies counts since the beginning, by mailbox.
	Tallies(ctx context.Context, user id.User) (map[id.Mailbox]audit.Tally, error)
	Stats(ctx context.Context, user id.User, w audit.Window) (audit.Stats, error)
	// Decide does what is wanted about the message of a line, and gives the mailbox
	// whose next pass sees it; audit.ErrDecision where that cannot be done.
	Decide(ctx context.Context, user id.User, line id.Audit, d audit.Decision) (id.Mailbox, error)
}

// Rules is what users want done with their mail by its header, and the plugins
// that do it (rulebook.Book).
type Rules interface {
	Rules(ctx context.Context, user id.User) ([]rules.Rule, error)
	// Put makes a rule (its ID is zero) or replaces one. What is wrong with its
	// settings is manifest.Faults.
	Put(ctx context.Context, user id.User, r rules.Rule, at int) (rules.Rule, error)
	Drop(ctx context.Context, user id.User, rule id.Rule) error

	Plugins(ctx context.Context, user id.User) ([]rulebook.Plugin, error)
	Plugin(ctx context.Context, user id.User, name string) (rulebook.Plugin, error)
	// Uploads reports whether there may be any.
	Uploads() bool
	Upload(ctx context.Context, user id.User, wasm []byte) (rulebook.Plugin, gate.Report, error)
	Report(ctx context.Context, user id.User, name string) (gate.Report, error)
	Module(ctx context.Context, user id.User, name string) ([]byte, error)
	Remove(ctx context.Context, user id.User, name string) error
	// Try asks a plugin about a header section, of which nothing is kept.
	Try(ctx context.Context, user id.User, name string, config []byte, header string, size int64) (plugins.Outcome, error)
	// TryAll asks it about messages of a mailbox, of which nothing is kept.
	TryAll(ctx context.Context, user id.User, name string, config []byte, box account.Mailbox, all []mail.Headed) ([]rulebook.Trial, error)

	// Left forgets what memory has of a user who is wiped.
	Left(user id.User)
}

// Asker asks listing, ledger, rules and Gmail about the mail of a day.
type Asker interface {
	Why(ctx context.Context, user id.User, box account.Mailbox, f audit.Filter) ([]api.Clue, error)
}

// Usage is what a user has used up today of the octets that Gmail takes.
type Usage func(ctx context.Context, user id.User) (int64, error)

// Schedules is the stored side of a mailbox's state (package schedule).
type Schedules interface {
	Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error)
	// Registered gives a mailbox as the engine wants it.
	Registered(ctx context.Context, user id.User, box id.Mailbox) (schedule.Registered, error)
}

// Engine works on mailboxes (actors.Engine).
type Engine interface {
	Register(r schedule.Registered)
	SyncNow(ctx context.Context, user id.User, box id.Mailbox) error
	Pause(ctx context.Context, user id.User, box id.Mailbox) error
	Resume(ctx context.Context, user id.User, box id.Mailbox) error
	Forget(ctx context.Context, user id.User, box id.Mailbox) error
	StopUser(ctx context.Context, user id.User) error
	UserChanged(user id.User)
	Status(user id.User, box id.Mailbox) (actors.Status, bool)
	Watch() (<-chan actors.Change, func())
}

// Finder finds ways to a mailbox (discover.Finder).
type Finder interface {
	Find(ctx context.Context, address string) ([]discover.Candidate, error)
}

// Prober tries what a definition leads to (probe.Prober). What is wrong with
// the connection is in the Result; an error is a wrong input, or that there
// were too many failed logins.
type Prober interface {
	// Admit refuses a password that is to be kept, with a *mail.Fault, after too
	// many that were wrong: keeping them would be another way to guess.
	Admit(user id.User, box account.Mailbox) error
	Test(ctx context.Context, user id.User, box account.Mailbox, told func(probe.Step)) (probe.Result, error)
	// Newest fetches the headers of the newest messages, the newest first; what is
	// wrong with the connection is a *mail.Fault.
	Newest(ctx context.Context, user id.User, box account.Mailbox, n int) ([]mail.Headed, error)
}

// Google is where people sign in (oauth.Visits and oauth.Provider). Sessions
// know a person by the text of his user id: Ask.Person and the last argument
// of End are that.
type Google interface {
	Begin(ctx context.Context, a oauth.Ask) (address, cookie string, err error)
	End(ctx context.Context, cookie string, query url.Values, person string) (oauth.Ask, oauth.Grant, error)
	AuthOrigin(ctx context.Context) (string, error)
}

// Sources are the providers whose sign-in opens mailboxes here (oauth.Clients).
type Sources interface {
	// For gives the one of a mail server, Get that of an id; nil: there is none.
	For(host, protocol string) *oauth.Client
	Get(id string) *oauth.Client
	All() []*oauth.Client
	// End takes what a provider's page sent a browser back with.
	End(ctx context.Context, id string, visit vault.Secret, query url.Values) (account.Consent, error)
	Origins() []string
}

// Deliveries takes Google's security events (risc.Receiver): what to answer,
// and why for the log.
type Deliveries func(ctx context.Context, contentType string, body []byte) (status int, answer []byte, err error)
