package bridge

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// counted counts the connections that are open.
type counted struct {
	Dialer
	open *atomic.Int64
}

func (d counted) Dial(ctx context.Context) (Source, error) {
	s, err := d.Dialer.Dial(ctx)
	if err == nil {
		d.open.Add(1)
		s = &countedSource{Source: s, open: d.open}
	}
	return s, err
}

type countedSource struct {
	Source
	open   *atomic.Int64
	closed bool
}

func (s *countedSource) Close(ctx context.Context) error {
	if !s.closed {
		s.closed = true
		s.open.Add(-1)
	}
	return s.Source.Close(ctx)
}

// TestAPanicFreesWhatOthersShare: gate, memory and the connection, which keeps
// a maildrop locked, wherever the panic was. No goroutine is left either, or the
// bubble would not end.
func TestAPanicFreesWhatOthersShare(t *testing.T) {
	t.Parallel()
	for _, kind := range []kind{pop3, imap} {
		for _, step := range Steps() {
			for _, when := range []When{Before, After} {
				for n := range int64(3) {
					t.Run(fmt.Sprint(kind, "/", when, " ", step, " ", n+1), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { panicOnce(t, kind, step, when, n+1) })
					})
				}
			}
		}
	}
}

func panicOnce(t *testing.T, kind kind, step Step, when When, n int64) {
	w := newWorld(t, kind, load(step == StepCheckpoint)...)
	const windows = 4
	gate, memory := NewGate(0, 0), NewMemory(windows*window)
	var open, passed atomic.Int64
	share := func(p *Pass) {
		p.Dialer = counted{p.Dialer, &open}
		p.Gate, p.Parallel, p.Memory = gate, 0, memory
		p.Hook = func(s Step, wh When) error {
			if s == step && wh == when && passed.Add(1) == n {
				panic("out of order")
			}
			return nil
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = w.live(t.Context(), &life{mutate: share}, Delete)
	}()
	if open.Load() != 0 {
		t.Errorf("%d connections are open", open.Load())
	}
	if used := memory.Used(); used != 0 {
		t.Errorf("%d octets of memory are still held", used)
	}
	if gate.used != 0 {
		t.Errorf("%d places of the gate are taken", gate.used)
	}
	passed.Store(n) // no more of it
	w.sync(Delete, share)
	w.arrived(Delete)
}

// TestAFolderRenumberedWhileItsMailIsDeletedGivesNothingTwice: the server says
// that it has deleted nothing, so the messages are there, under other ids.
func TestAFolderRenumberedWhileItsMailIsDeletedGivesNothingTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, load(false)...)
		w.sync(Delete, func(p *Pass) { p.Dialer = renumbering{p.Dialer, w.drop, new(bool)} })
		w.arrived(Delete)
	})
}

// renumbering is a server that renumbers the folder as the first message is
// to be deleted.
type renumbering struct {
	Dialer
	drop *maildrop
	done *bool
}

func (d renumbering) Dial(ctx context.Context) (Source, error) {
	s, err := d.Dialer.Dial(ctx)
	return renumberingSource{s, d}, err
}

type renumberingSource struct {
	Source
	d renumbering
}

func (s renumberingSource) Delete(ctx context.Context, refs []mail.Ref) error {
	if !*s.d.done {
		*s.d.done = true
		s.d.drop.validity++
		return &mail.Fault{Class: mail.Protocol, Code: "uidvalidity_changed", Text: "the server has renumbered the folder"}
	}
	return s.Source.Delete(ctx, refs)
}
