package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/demo"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server"
)

type demoCmd struct {
	For time.Duration `help:"End by itself after this time; default: when interrupted." placeholder:"1m"`
}

// demoDeliver is the time between two new mails of the demo.
const demoDeliver = 3 * time.Second

var errDemoOver = errors.New("the demo's time is over")

// Run is the whole service on mail of the demo's own.
func (d demoCmd) Run(a *app) error {
	ctx, cancel := a.ctx, context.CancelFunc(func() {})
	if d.For > 0 {
		ctx, cancel = context.WithTimeoutCause(a.ctx, d.For, errDemoOver)
	}
	defer cancel()
	start := time.Now()
	dir, err := os.MkdirTemp("", "smtp-sync-demo")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	world, err := demo.Start(dir)
	if err != nil {
		return err
	}
	defer world.Close()
	p, listener, err := a.demo(world)
	if err != nil {
		return err
	}
	defer p.close()
	defer listener.Close()
	names, token, err := p.sample(ctx, world)
	if err != nil {
		return err
	}
	p.watched = newTicker(a.stdout, start, names).line
	a.printf(`smtp-sync demo: sample mailboxes, a Gmail double, the whole service; nothing leaves this machine.

  Open       %s/   (end with Ctrl-C)
  Sign in    as %s: the page that stands in for Google wants no password
  Then add   the mailbox %s with the password %s, and watch its mail arrive
  Scripts    SITE=%s TOKEN=%s

`, p.cfg.PublicURL, demo.User, demo.Address, demo.Password, p.cfg.PublicURL, token.RevealString())

	var running sync.WaitGroup
	running.Go(func() { arrive(ctx, world) })
	err = p.serve(ctx, listener, nil)
	cancel()
	running.Wait()
	a.printf("\n%d messages arrived in the Gmail double. Everything the demo stored is deleted.\n", world.Arrived())
	if errors.Is(err, errDemoOver) || errors.Is(err, errInterrupted) || errors.Is(err, errTerminated) {
		return nil // Ctrl-C is how a demo ends, and nothing of it is left to go on with
	}
	return err
}

// demo puts the product together in the demo's world.
func (a *app) demo(world *demo.World) (*parts, net.Listener, error) {
	env := append(only(a.env, "SMTPSYNC_LISTEN", "SMTPSYNC_LOG_LEVEL", "SMTPSYNC_PUBLIC_URL"), world.Env...)
	if len(only(env, "SMTPSYNC_LOG_LEVEL")) == 0 {
		env = append(env, "SMTPSYNC_LOG_LEVEL=warn") // the terminal is for what arrives
	}
	cfg, err := config.Load(env, "")
	if err != nil {
		return nil, nil, err
	}
	listener, err := listen(cfg.Listen)
	if err != nil {
		return nil, nil, err
	}
	if len(only(env, "SMTPSYNC_PUBLIC_URL")) == 0 {
		cfg.PublicURL = "http://" + browsable(listener.Addr())
	}
	p, err := a.assemble(cfg, exclusive, nil)
	if err != nil {
		_ = listener.Close()
		return nil, nil, err
	}
	p.waiting = &server.Waiting{Address: demo.Address, Password: demo.Password}
	p.finds = discover.Options{DNS: demo.Names{World: world}, Web: demo.Names{World: world}}
	return p, listener, nil
}

// browsable gives the address of a listener as a browser on this machine wants it.
func browsable(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", t.Port)
	}
	return a.String()
}

// sample gives the demo's user the sample mailboxes, and their names, and a
// token that opens what the demo has: nothing that is anybody's.
func (p *parts) sample(ctx context.Context, world *demo.World) (map[id.Mailbox]string, vault.Secret, error) {
	who := account.Person{Sub: world.Gmail.Sub(demo.User), Email: demo.User}
	user, err := p.store.SignIn(ctx, who, account.SignUp{Rule: "open"})
	if err != nil {
		return nil, vault.Secret{}, err
	}
	err = p.store.PutGrant(ctx, user.ID, account.Grant{RefreshToken: world.Refresh(), Email: who.Email, Sub: who.Sub,
		Scopes: []string{gmail.ScopeInsert, gmail.ScopeLabels}, GrantedAt: time.Now()})
	if err != nil {
		return nil, vault.Secret{}, err
	}
	names := map[id.Mailbox]string{}
	for _, m := range world.Mailboxes {
		made, err := p.store.EnsureMailbox(ctx, user.ID, m)
		if err != nil {
			return nil, vault.Secret{}, err
		}
		names[made.ID] = made.Name
	}
	const scopes = session.MailboxesWrite | session.AuditRead | session.RulesWrite | session.AccountWrite
	_, token, err := p.store.IssueToken(ctx, user.ID, session.NewToken{Name: "scripts", Scopes: scopes})
	return names, token, err
}

// arrive lets new mail come.
func arrive(ctx context.Context, world *demo.World) {
	for wait(ctx, demoDeliver) {
		world.Deliver()
	}
}

// listen opens the configured address, or any other port where that one is taken.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return l, err
}

// only keeps the variables with these names.
func only(env []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(names, name)
	})
}

// ticker is what the terminal shows of the log.
type ticker struct {
	w     io.Writer
	start time.Time
	names map[id.Mailbox]string

	mu    sync.Mutex
	first bool
}

func newTicker(w io.Writer, start time.Time, names map[id.Mailbox]string) *ticker {
	return &ticker{w: w, start: start, names: names}
}

func (t *ticker) line(_ id.User, e audit.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := t.names[e.Mailbox]
	if name == "" {
		name = "a mailbox of yours"
	}
	_, _ = fmt.Fprintf(t.w, "%s  %-20s  %-8s  %7d octets from %s%s\n", e.At.Local().Format(time.TimeOnly), name, e.Status, e.Size, e.Domain, reason(e.Reason))
	if !t.first && e.Status == mail.Imported {
		t.first = true
		_, _ = fmt.Fprintf(t.w, "          (the first mail arrived %.1f s after the start)\n", time.Since(t.start).Seconds())
	}
}
