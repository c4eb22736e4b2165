package hostile

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// polled is how often the mailboxes here are looked at: ±20 % (schedule).
const polled = 5 * time.Minute

// ca is one for all worlds: its keys cost more than a world.
var ca = sync.OnceValue(testkit.NewCA)

// world is an engine and the mail servers around it.
type world struct {
	t        testing.TB
	registry schedule.Memory
	ledger   *ledger.MemoryOwner
	budget   *quota.Project
	out      *dial.Dialer
	engine   *actors.Engine

	mu    sync.Mutex
	boxes map[id.Mailbox]*box
	users map[id.User]*gmail
	conns []net.Conn
	wg    sync.WaitGroup // of connections and servers
	close []func()       // servers
}

// box is one mailbox at a mail server.
type box struct {
	id.Mailbox
	w        *world
	user     id.User
	host     string
	protocol string
	security string
	password string
	after    bridge.Disposal
	keys     *vault.MailboxKeys

	mu     sync.Mutex
	answer func(net.Conn) // the server: takes a connection; nil: nobody listens
	called []time.Time    // when it was connected to
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, ledger: ledger.NewMemory().Take(), budget: quota.New(quota.Limits{}, &quota.Memory{}), boxes: make(map[id.Mailbox]*box), users: make(map[id.User]*gmail)}
	w.registry.None = account.ErrNone
	w.out = dial.Through(dial.Options{Roots: ca().Pool()}, w.connect)
	return w
}

// add registers a mailbox of a user at a server of its own.
func (w *world) add(user id.User, host, protocol, security string, answer func(net.Conn)) *box {
	b := &box{
		Mailbox: id.New[id.Mailbox](), w: w, user: user, host: host, protocol: protocol, security: security,
		password: password, after: bridge.Leave, answer: answer,
	}
	b.keys = vault.NewUserKey(user, vault.NewSecret(make([]byte, 32))).MailboxKeys(vault.NewSecret(make([]byte, 32)))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.boxes[b.Mailbox] = b
	if w.users[user] == nil {
		w.users[user] = newGmail()
	}
	w.registry.Register(schedule.Registered{User: user, Mailbox: b.Mailbox, Lane: uint64(len(w.boxes))})
	return b
}

func (w *world) start() {
	w.engine = actors.Start(actors.Options{Log: slog.New(slog.DiscardHandler), Registry: &w.registry, Accounts: accounts{w}})
}

// stop drains the engine and takes the servers away.
func (w *world) stop() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), time.Minute)
	defer cancel()
	if err := w.engine.Drain(ctx); err != nil {
		w.t.Errorf("drain: %v", err)
	}
	if err := w.budget.Close(ctx); err != nil {
		w.t.Error(err)
	}
	for _, c := range w.conns {
		_ = c.Close()
	}
	for _, f := range w.close {
		f()
	}
	w.wg.Wait()
}

// connect is the network: dial.Through.
func (w *world) connect(_ context.Context, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	w.mu.Lock()
	var to *box
	for _, b := range w.boxes {
		if b.host == host {
			to = b
		}
	}
	w.mu.Unlock()
	to.mu.Lock()
	to.called = append(to.called, time.Now())
	answer := to.answer
	to.mu.Unlock()
	if answer == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	near, far := wire(&w.wg)
	w.mu.Lock()
	w.conns = append(w.conns, near, far)
	w.mu.Unlock()
	w.wg.Go(func() { answer(far) })
	return near, nil
}

func (b *box) becomes(answer func(net.Conn)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// calls is how often the server was connected to.
func (b *box) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.called)
}

func (b *box) state() schedule.State {
	s, err := b.w.registry.Schedule(context.Background(), b.user, b.Mailbox)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return s
}

func (b *box) gmail() *gmail {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	return b.w.users[b.user]
}

// The Accounts.

type accounts struct{ w *world }

func (a accounts) Open(_ context.Context, user id.User) (actors.Account, error) {
	return &opened{a.w, user, bridge.NewGate(0, 0)}, nil
}

type opened struct {
	w    *world
	user id.User
	gate *bridge.Gate
}

func (o *opened) Revoked(context.Context) error { return nil }

func (o *opened) Close() {}

func (o *opened) Prepare(ctx context.Context, m id.Mailbox) (actors.Job, error) {
	o.w.mu.Lock()
	b := o.w.boxes[m]
	o.w.mu.Unlock()
	s, err := o.w.registry.Schedule(ctx, o.user, m)
	if err != nil {
		return actors.Job{}, err
	}
	budget := o.w.budget.Budget(o.user)
	p := bridge.Pass{
		Dialer: b, Gmail: b.gmail(), Ledger: o.w.ledger.Mailbox(m), Keys: b.keys,
		Budget: budget, History: budget.History(), Gate: o.gate, AfterImport: b.after,
		Digest: s.Digest, Stamp: []byte(b.host), Left: s.Backlog.Messages, LeftBytes: s.Backlog.Bytes,
	}
	if b.protocol == "imap" {
		p.Folders, p.Connections = []string{"INBOX"}, 2
	}
	return actors.Job{Pass: p, State: s, Settings: schedule.Settings{Host: b.host, Protocol: b.protocol, PollEvery: polled}}, nil
}

// Dial implements bridge.Dialer with the real sources.
func (b *box) Dial(ctx context.Context) (bridge.Source, error) {
	if b.protocol == "pop3" {
		s, err := pop3.New(pop3.Config{
			Host: b.host, Port: 995, Security: b.security, Username: "ann", Password: vault.NewSecret(b.password), Dial: b.w.out,
		}).Open(ctx)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := imap.New(imap.Config{
		Host: b.host, Port: 993, Security: imap.Security(b.security), Username: "ann", Password: vault.NewSecret(b.password),
		ReadOnly: b.after == bridge.Leave, Dial: b.w.out,
	}).Open(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}
