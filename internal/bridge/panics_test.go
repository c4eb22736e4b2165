package bridge

import (
	"context"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// A panic belongs to whoever called Sync, whichever goroutine it happened in:
// he loses the pass, not the process. What it left is recovered as after a crash.

// panics runs a pass that must panic.
func (w *world) panics(mutate func(*Pass)) {
	w.t.Helper()
	defer func() {
		w.t.Helper()
		if recover() == nil {
			w.t.Error("Sync returned, want a panic")
		}
	}()
	_, _ = w.live(w.t.Context(), &life{mutate: mutate}, Delete)
}

func TestAPanicInAnUploadEndsThePassNotTheProcess(t *testing.T) {
	for _, size := range []int64{100, window} { // in a goroutine of its own, and streamed
		for _, k := range []kind{pop3, nameless, imap} {
			t.Run(fmt.Sprint(k, "/longer than ", size), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, k, load(false)...)
					w.panics(func(p *Pass) {
						p.Gmail = oddGmail{Importer: p.Gmail, put: func(_ context.Context, c mail.Chunk) error {
							if c.Length > size {
								panic("out of order")
							}
							return nil
						}}
					})
					w.sync(Delete)
					w.arrived(Delete)
				})
			})
		}
	}
}

// second is a mail server whose second connection panics, when it is dialled
// or when it is fetched from.
type second struct {
	Dialer
	dials   *int
	dialing bool
}

func (d second) Dial(ctx context.Context) (Source, error) {
	s, err := d.Dialer.Dial(ctx)
	if *d.dials++; *d.dials != 2 {
		return slowSource{s}, err
	}
	if d.dialing {
		panic("out of order")
	}
	return brokenSource{s}, err
}

// slowSource leaves something to fetch for the other connection.
type slowSource struct{ Source }

func (s slowSource) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	time.Sleep(time.Second)
	return s.Source.Fetch(ctx, refs)
}

type brokenSource struct{ Source }

func (brokenSource) Fetch(context.Context, []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	panic("out of order")
}

func TestAPanicOnTheSecondConnectionEndsThePassNotTheProcess(t *testing.T) {
	for _, dialing := range []bool{true, false} {
		t.Run(fmt.Sprint("dialing ", dialing), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, imap)
				for i := range 100 {
					w.drop.add(message(i, 100))
				}
				dials := 0
				w.panics(func(p *Pass) { p.Dialer = second{p.Dialer, &dials, dialing} })
				if dials != 2 {
					t.Errorf("%d connections, the test wants two", dials)
				}
				w.sync(Delete)
				w.arrived(Delete)
			})
		})
	}
}

func TestAPanicInTheSourcesReaderEndsThePassNotTheProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		server := odd{fetch: func(all fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
			return func(yield func(*mail.Incoming, error) bool) {
				for in, err := range all(refs) {
					if in != nil && in.Ref.Number == 4 {
						in.Body = io.MultiReader(io.LimitReader(in.Body, window+1000), panicking{})
					}
					if !yield(in, err) {
						return
					}
				}
			}
		}}
		w.panics(server.at)
		w.sync(Delete)
		w.arrived(Delete)
	})
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("out of order") }
