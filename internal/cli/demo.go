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

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/demo"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server"
)

type demoCmd struct {
	For time.Duration `help:"End by itself after this time; default: when interrupted." placeholder:"1m"`
}

// The pace of the demo.
const (
	demoSync    = 2 * time.Second // between two passes over a mailbox
	demoDeliver = 3 * time.Second // between two new mails
)

// Run shows the real engine on mail of the demo's own.
func (d demoCmd) Run(a *app) error {
	if d.For > 0 {
		ctx, cancel := context.WithTimeoutCause(a.ctx, d.For, errDemoOver)
		defer cancel()
		a.ctx = ctx
	}
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
	cfg, err := config.Load(append(only(a.env, "SMTPSYNC_LISTEN", "SMTPSYNC_LOG_LEVEL"), world.Env...), "")
	if err != nil {
		return err
	}
	p, err := a.open(cfg, exclusive)
	if err != nil {
		return err
	}
	defer p.close()
	listener, err := listen(cfg.Listen)
	if err != nil {
		return err
	}
	b := newBoard(a.stdout, start)
	a.printf("smtp-sync demo: two sample mailboxes, a Gmail double, the real engine; nothing leaves this machine.\n")
	a.printf("Status page: http://%s/   (end with Ctrl-C)\n\n", listener.Addr())

	ctx, cancel := context.WithCancelCause(a.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.New(b.status, func() bool { return ctx.Err() == nil }).Serve(ctx, listener); err != nil {
			cancel(err)
		}
	})
	running.Go(func() { arrive(ctx, world) })
	engine := actors.Start(actors.Options{Log: p.log})
	for i, m := range world.Mailboxes {
		b.add(m.Name)
		running.Go(func() {
			if err := d.keepSyncing(ctx, p, engine, world, i, b); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	running.Wait()
	_ = engine.Drain(context.WithoutCancel(ctx))
	a.printf("\n%d messages arrived in the Gmail double. Everything the demo stored is deleted.\n", world.Arrived())
	if err := context.Cause(ctx); !errors.Is(err, errDemoOver) && !errors.Is(err, errInterrupted) {
		return err
	}
	return nil // Ctrl-C is how a demo ends
}

var errDemoOver = errors.New("the demo's time is over")

// keepSyncing runs one mailbox until ctx ends.
func (demoCmd) keepSyncing(ctx context.Context, p *parts, engine *actors.Engine, world *demo.World, i int, b *board) error {
	name := world.Mailboxes[i].Name
	m, err := parseSource(world.Mailboxes[i].Source)
	if err != nil {
		return err
	}
	m.Password, m.AfterImport = vault.NewSecret(world.Mailboxes[i].Password), string(bridge.Leave)
	tokens := p.oauth.Source(vault.NewSecret(world.RefreshToken))
	for {
		pass, box, err := p.pass(ctx, m, tokens)
		if err != nil {
			return err
		}
		pass.Progress = func(e bridge.Event) { b.event(name, e) }
		b.set(name, "syncing", "")
		_, err = engine.Sync(ctx, p.userID, box, func(ctx context.Context) (bridge.Report, error) {
			return bridge.Sync(ctx, pass)
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			b.set(name, "failing", err.Error())
		default:
			b.set(name, "idle", "")
		}
		if !wait(ctx, demoSync) {
			return nil
		}
	}
}

// arrive lets new mail come.
func arrive(ctx context.Context, world *demo.World) {
	for wait(ctx, demoDeliver) {
		world.Deliver()
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
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

// board is what the terminal and the status page show.
type board struct {
	w     io.Writer
	start time.Time

	mu     sync.Mutex
	boxes  []server.Mailbox
	recent []server.Entry
	first  bool
}

func newBoard(w io.Writer, start time.Time) *board { return &board{w: w, start: start} }

func (b *board) add(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.boxes = append(b.boxes, server.Mailbox{Name: name, State: "idle"})
}

func (b *board) set(name, state, detail string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.boxes {
		if b.boxes[i].Name == name {
			b.boxes[i].State, b.boxes[i].Detail = state, detail
		}
	}
}

const recentLines = 40

func (b *board) event(name string, e bridge.Event) {
	if e.Status == "" {
		return
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.boxes {
		if b.boxes[i].Name == name && e.Status == mail.Imported {
			b.boxes[i].Imported++
		}
	}
	entry := server.Entry{At: now, Mailbox: name, Domain: e.Domain, Status: string(e.Status), Reason: e.Reason, Size: e.Size}
	b.recent = slices.Insert(b.recent, 0, entry)
	b.recent = b.recent[:min(len(b.recent), recentLines)]
	fmt.Fprintf(b.w, "%s  %-20s  %-8s  %7d octets from %s%s\n",
		now.Format(time.TimeOnly), name, e.Status, e.Size, e.Domain, reason(e.Reason))
	if !b.first && e.Status == mail.Imported {
		b.first = true
		fmt.Fprintf(b.w, "          (the first mail arrived %.1f s after the start)\n", now.Sub(b.start).Seconds())
	}
}

func (b *board) status() server.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return server.Status{
		Title: "smtp-sync demo", Note: "Sample mailboxes, a Gmail double, the real engine. Nothing leaves this machine.",
		Mailboxes: slices.Clone(b.boxes), Recent: slices.Clone(b.recent),
	}
}
