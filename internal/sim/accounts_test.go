package sim

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// accounts opens the users of the world for one process: actors.Accounts.
type accounts struct{ p *process }

func (a *accounts) Open(ctx context.Context, who id.User) (actors.Account, error) {
	u := a.p.w.user(who)
	f, err := a.p.strike(ctx, u.name, "account")
	if err != nil {
		return nil, err
	}
	if f == storeFails {
		return nil, errStore
	}
	if !u.connected.Load() {
		return nil, &mail.Fault{Class: mail.Grant, Code: "grant_missing", Text: "Google is not connected"}
	}
	return &opened{p: a.p, u: u, gate: bridge.NewGate(0, 0)}, nil
}

func (o *opened) Revoked(ctx context.Context) error {
	if err := o.p.alive(ctx); err != nil {
		return err
	}
	if !o.u.gmail.isGranted() { // else he has connected again meanwhile
		o.u.connected.Store(false)
	}
	return nil
}

// opened is one user at work: actors.Account.
type opened struct {
	p    *process
	u    *user
	gate *bridge.Gate
}

func (o *opened) Close() {}

func (o *opened) Prepare(ctx context.Context, m id.Mailbox) (actors.Job, error) {
	b := o.p.w.box(m)
	f, err := o.p.strike(ctx, b.name, "prepare")
	if err != nil {
		return actors.Job{}, err
	}
	if f == storeFails {
		return actors.Job{}, errStore
	}
	o.p.w.passes.Add(1)
	b.tell("prepare", "")
	b.watch.begin(b, o.p)
	state, marker, v := o.p.w.registry.state(m), new(actors.Marker), new(visit)
	j := actors.Job{
		Pass: o.pass(b, state, marker, v), State: state, Marker: marker,
		Settings: schedule.Settings{Host: "mail.example", Protocol: b.protocol(), PollEvery: b.poll, Push: b.push},
	}
	if b.push {
		j.Park = func(ctx context.Context) (actors.Parked, error) { return o.p.park(ctx, b) }
		j.Resume = func(c actors.Parked) bridge.Dialer { return &dialer{p: o.p, b: b, held: c.(*parked), visit: v} }
	}
	return j, nil
}

func (b *box) protocol() string {
	if b.drop.kind == imap {
		return "imap"
	}
	return "pop3"
}

func (o *opened) pass(b *box, s schedule.State, m *actors.Marker, v *visit) bridge.Pass {
	budget := o.p.project.Budget(b.u.id)
	p := bridge.Pass{
		Dialer: &dialer{p: o.p, b: b, visit: v}, Gmail: &uplink{b.u.gmail, o.p},
		Ledger: &book{o.p, b, o.p.owners[b.u.id].Mailbox(b.id), m}, Keys: b.keys,
		Budget: budget, History: budget.History(), Gate: o.gate, Memory: o.p.memory,
		Digest: s.Digest, Stamp: []byte(b.name), Left: s.Backlog.Messages, LeftBytes: s.Backlog.Bytes,
		AfterImport: b.policy, KeepDays: b.keep, MoveTo: elsewhere, Newest: b.newest, Filter: b.filter(o.p), Hook: o.p.hook(b, v),
	}
	if b.drop.kind == imap {
		p.Connections = 2
		for _, f := range b.drop.folders {
			p.Folders = append(p.Folders, f.name)
		}
	}
	return p
}

// parked is a connection in IDLE: actors.Parked.
type parked struct {
	p    *process
	b    *box
	news <-chan struct{}

	over  chan struct{}
	close sync.Once
}

// reIdle is how often the client says that it is still there.
const reIdle = 9 * time.Minute

func (p *process) park(ctx context.Context, b *box) (actors.Parked, error) {
	news := b.drop.news()
	if err := p.alive(ctx); err != nil {
		return nil, err
	}
	return &parked{p: p, b: b, news: news, over: make(chan struct{})}, nil
}

// Wait implements actors.Parked.
func (c *parked) Wait(ctx context.Context) error {
	f := c.b.strike("idle")
	limit := time.NewTimer(3 * reIdle)
	defer limit.Stop()
	news := c.news
	switch f {
	case cut:
		limit.Reset(reIdle / 2)
	case stall: // a connection that died without a word
		limit.Reset(reIdle)
	}
	if f != none {
		news = nil
	}
	select {
	case <-news:
	case <-limit.C:
	case <-c.over:
		return net.ErrClosed
	case <-ctx.Done():
	}
	if err := c.p.alive(ctx); err != nil {
		return err
	}
	if f != none {
		return &mail.Fault{Class: mail.Transient, Code: "cut", Text: "the connection was lost"}
	}
	c.news = c.b.drop.news()
	return nil
}

// Close implements actors.Parked.
func (c *parked) Close() { c.close.Do(func() { close(c.over) }) }
