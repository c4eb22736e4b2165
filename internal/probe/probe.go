package probe

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	// Floor is the least time after which a failure before the login is told.
	Floor = time.Second

	maxTest = time.Minute // of a whole test
	maxMany = 16          // tests at a time
	maxOwn  = 4           // of one user: his silent servers must not take all of them
)

// Prober tests connections. It may be used by many goroutines.
type Prober struct {
	dial    *dial.Dialer
	limiter *Limiter
	floor   time.Duration

	mu   sync.Mutex
	many int             // tests under way
	own  map[id.User]int // of each user
}

// New makes a Prober that connects through d and asks l before each login.
func New(d *dial.Dialer, l *Limiter) *Prober {
	return &Prober{dial: d, limiter: l, floor: Floor, own: map[id.User]int{}}
}

// enter takes a place for a test of the user's, if there is one.
func (p *Prober) enter(user id.User) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.many >= maxMany || p.own[user] >= maxOwn {
		return nil, &mail.Fault{Class: mail.RateLimited, Code: "busy", Scope: "concurrent", Until: time.Now().Add(5 * time.Second),
			Text: "too many connections are being tested at the moment", Help: "try again in a few seconds"}
	}
	p.many++
	p.own[user]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.many--
		if p.own[user]--; p.own[user] == 0 {
			delete(p.own, user)
		}
	}, nil
}

// Admit refuses a password that is to be kept, while too many have failed: the
// engine would try it. What becomes of it is for Failed to say.
func (p *Prober) Admit(user id.User, box account.Mailbox) error {
	return p.limiter.admit(user, box.Host, box.Username)
}

// Test tries the mailbox and tells each step as it ends, if told is given, from
// the caller's goroutine. Nothing in the mailbox is changed.
func (p *Prober) Test(ctx context.Context, user id.User, box account.Mailbox, told func(Step)) (Result, error) {
	out := Result{Folders: []Folder{}}
	r, err := p.look(ctx, user, box, told, measuring(&out))
	if err != nil || !r.OK {
		return r, err
	}
	out.OK, out.Steps = true, r.Steps
	return out, nil
}

// look logs in and does what is to be done there, one step at a time. Its Result
// has the steps alone.
func (p *Prober) look(ctx context.Context, user id.User, box account.Mailbox, told func(Step), do visit) (Result, error) {
	host, err := check(box)
	if err != nil {
		return Result{}, err
	}
	box.Host = host
	leave, err := p.enter(user)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	done, err := p.limiter.Allow(user, box.Host, box.Username)
	if err != nil {
		return Result{}, err
	}
	guessed := true // until we know better, also if this panics
	defer func() { done(guessed) }()
	r := newRecord(box.Host, p.floor, told)
	err = p.try(ctx, box, r, do)
	guessed = r.stage == "login" && mail.ClassOf(err) != mail.Setup && box.Consent.Provider == "" // nobody guesses tokens
	if err == nil {
		return Result{OK: true, Steps: r.steps}, nil
	}
	return failed(ctx, box, r, err)
}

var errTooLong = errors.New("probe: the test took too long")

func (p *Prober) try(ctx context.Context, box account.Mailbox, r *record, do visit) error {
	ctx, cancel := context.WithTimeoutCause(r.trace(ctx), maxTest, errTooLong)
	defer cancel()
	if box.Protocol == "pop3" {
		return tryPOP3(ctx, p.dial, box, r, do)
	}
	return tryIMAP(ctx, p.dial, box, r, do)
}

// failed makes the last step of err, or gives it as the error that it is.
func failed(ctx context.Context, box account.Mailbox, r *record, err error) (Result, error) {
	f, ok := mail.AsFault(err)
	if !ok {
		f = &mail.Fault{Class: mail.Protocol, Code: "bad_response", Text: box.Host + " sent something that makes no sense", Err: err}
	}
	if r.stage == "" || r.stage == "connect" && slices.Contains([]string{"port_forbidden", "host_invalid"}, f.Code) {
		return Result{}, f // it never went out
	}
	if errors.Is(f, errTooLong) {
		f = &mail.Fault{Class: mail.Transient, Code: "timeout", Err: f,
			Text: box.Host + " took too long", Help: "try again later"}
	}
	if ctx.Err() != nil {
		return Result{}, &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: context.Cause(ctx)}
	}
	if r.early() {
		r.fail(ctx, before(box, f))
	} else {
		r.fail(ctx, afterwards(box, f))
	}
	return Result{Steps: r.steps, Folders: []Folder{}}, nil
}

// check finds what can be found before anything is sent, and gives the host as
// it is dialled. The sources check the rest.
func check(box account.Mailbox) (host string, err error) {
	switch {
	case box.Protocol != "imap" && box.Protocol != "pop3":
		return "", &mail.Fault{Class: mail.Setup, Code: "protocol_invalid", Text: "the protocol of the mailbox is not known", Help: `use "imap" or "pop3"`}
	case box.Port < 1 || box.Port > 65535:
		return "", &mail.Fault{Class: mail.Setup, Code: "port_invalid", Text: "the port of the mailbox is not a port",
			Help: "use 993 or 995 with TLS, 143 or 110 with STARTTLS"}
	case box.Security != "tls" && box.Security != "starttls":
		return "", &mail.Fault{Class: mail.Setup, Code: "security_invalid", Text: "the security of the mailbox is not known", Help: `use "tls" or "starttls"; there is no other way`}
	case box.Username == "":
		return "", &mail.Fault{Class: mail.Setup, Code: "username_required", Text: "the mailbox has no user name", Help: "most providers want the whole e-mail address"}
	case box.Consent.Provider != "" && box.Consent.Access.Empty():
		return "", &mail.Fault{Class: mail.Setup, Code: "consent_missing", Text: "access to this mailbox was not given yet", Help: "connect it with the provider's sign-in, in a browser"}
	case box.Consent.Provider == "" && box.Password.Empty():
		return "", &mail.Fault{Class: mail.Setup, Code: "password_required", Text: "the mailbox has no password", Help: "enter it"}
	}
	return dial.CheckHost(box.Host)
}
