package bridge

import (
	"context"
	"io"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Connections break, servers talk nonsense, Gmail does not answer.

// poisoned breaks the connection whenever this message is asked for.
func poisoned(number int) *odd {
	return &odd{fetch: func(all fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
		i := slices.IndexFunc(refs, func(r mail.Ref) bool { return r.Number == number })
		if i < 0 {
			return all(refs)
		}
		return func(yield func(*mail.Incoming, error) bool) {
			for in, err := range all(refs[:i]) {
				if !yield(in, err) {
					return
				}
			}
			yield(nil, lost())
		}
	}}
}

func TestAMessageAtWhichTheConnectionBreaksBlocksNothing(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, k, load(false)...)
				server := poisoned(1)
				for _, want := range []Report{
					{Listed: 5, Imported: 4, Failed: 1},
					{Listed: 5, Already: 4, Failed: 1},
					{Listed: 5, Already: 4, Refused: 1},
					{Listed: 5, Already: 4, Refused: 1}, // and it is said again
				} {
					w.want(w.sync(Leave, server.at), want)
					time.Sleep(time.Hour)
				}
			})
		})
	}
}

// TestANetworkThatBreaksAnywhereSetsNoMessageAside: the message is to blame
// only if it is always the same octet.
func TestANetworkThatBreaksAnywhereSetsNoMessageAside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 300), message(2, 200_000))
		at := 1000
		w.drop.cut = func(ref mail.Ref) (int, bool) { at += 7000; return at, ref.Number == 2 }
		for range 2 * maxAttempts {
			if rep, _ := w.live(t.Context(), &life{}, Leave); rep.Failed != 1 {
				t.Fatalf("got %+v, want one left for later", rep)
			}
			time.Sleep(time.Hour)
		}
		w.drop.cut = nil
		w.want(w.sync(Leave), Report{Listed: 2, Imported: 1, Already: 1})
		w.arrived(Leave)
	})
}

// TestAnUploadThatTheSourceToreGoesOnWhereGmailStands, in the next round of
// the same pass.
func TestAnUploadThatTheSourceToreGoesOnWhereGmailStands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(1, 300), message(2, 9<<20))
		server := tearing(2, 5<<20+100, lost())
		torn := server.fetch
		server.fetch = func(all fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
			if server.dials > 1 {
				return all(refs)
			}
			time.Sleep(time.Second) // the message before is in Gmail: the connection got somewhere
			return torn(all, refs)
		}
		var offsets []int64 // of the second message
		w.want(w.sync(Leave, func(p *Pass) {
			server.at(p)
			p.Gmail = oddGmail{Importer: p.Gmail, put: func(_ context.Context, c mail.Chunk) error {
				if c.Total > 1<<20 {
					offsets = append(offsets, c.Offset)
				}
				return nil
			}}
		}), Report{Listed: 2, Imported: 2})
		if want := []int64{0, 5 << 20}; !slices.Equal(offsets, want) {
			t.Errorf("sent from %v, want from %v", offsets, want)
		}
		w.arrived(Leave)
	})
}

func TestAnAnswerThatNobodyAskedForIsPassedOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		server := odd{fetch: func(all fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
			return func(yield func(*mail.Incoming, error) bool) {
				none := &mail.Incoming{Ref: mail.Ref{Number: 77}}
				if !yield(none, &mail.Fault{Class: mail.Undelivered, Code: "source_refused", Text: "no such message"}) {
					return
				}
				for in, err := range all(refs) {
					if !yield(in, err) {
						return
					}
				}
			}
		}}
		w.want(w.sync(Delete, server.at), Report{Listed: 5, Imported: 5})
		w.arrived(Delete)
	})
}

// TestAMessageThatTheServerLeavesOutIsTriedThreeTimes, once in each pass, and
// arrives if the server comes to its senses before.
func TestAMessageThatTheServerLeavesOutIsTriedThreeTimes(t *testing.T) {
	silent := func(calls *int) *odd {
		return &odd{fetch: func(all fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
			if *calls++; *calls > 20 {
				panic("asked for ever")
			}
			return all(slices.DeleteFunc(slices.Clone(refs), func(r mail.Ref) bool { return r.Number == 2 }))
		}}
	}
	for name, passes := range map[string]int{"never given": 3, "given at last": 2} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, imap, message(1, 300), message(2, 300))
				calls := 0
				for pass := range passes {
					rep := w.sync(Leave, silent(&calls).at)
					if rep.Failed+rep.Refused != 1 || (rep.Refused == 1) != (pass == 2) {
						t.Errorf("pass %d: %+v", pass, rep)
					}
				}
				if passes == 2 {
					w.want(w.sync(Leave), Report{Listed: 2, Imported: 1, Already: 1})
					w.arrived(Leave)
				}
			})
		})
	}
}

func TestALostAnswerToTheQuestionAfterALostAnswerIsAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		f := &mail.Fault{Class: mail.Unknown, Code: "gmail_unavailable", Text: "Gmail is not available (HTTP 503)"}
		put, query := once(f), once(f)
		w.want(w.sync(Delete, func(p *Pass) {
			p.Parallel = 1
			p.Gmail = oddGmail{p.Gmail, func(context.Context, mail.Chunk) error { return put() }, func(string) error { return query() }}
		}), Report{Listed: 5, Imported: 5})
		w.arrived(Delete)
	})
}

// TestAClaimWhoseSessionCannotBeAskedStopsNoOtherMessage: it is shown as
// doubtful, since what it holds may be in Gmail.
func TestAClaimWhoseSessionCannotBeAskedStopsNoOtherMessage(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) { unaskable(t, k) })
		})
	}
}

func unaskable(t *testing.T, k kind) {
	w := newWorld(t, k, load(false)...)
	var claims atomic.Int64
	_, _ = w.live(t.Context(), &life{
		die: func(s Step, wh When) bool {
			return s == StepClaim && wh == After && claims.Add(1) == 3
		},
		mutate: func(p *Pass) {
			p.Gmail = oddGmail{Importer: p.Gmail, put: func(ctx context.Context, _ mail.Chunk) error {
				<-ctx.Done()
				return unknown()
			}}
		},
	}, Leave)
	if n := w.open(); n < 3 { // others may have been on their way
		t.Fatalf("%d claims, the test wants three", n)
	}
	refuse := func(p *Pass) {
		p.Gmail = oddGmail{Importer: p.Gmail, query: func(session string) error {
			if session != "session-0" {
				return nil
			}
			return &mail.Fault{Class: mail.Refused, Code: "gmail_refused", Text: "Gmail refused the request (badRequest)"}
		}}
	}
	w.want(w.sync(Leave, refuse), Report{Listed: 5, Imported: 4, Doubtful: 1})
	w.want(w.sync(Leave, refuse), Report{Listed: 5, Already: 4, Doubtful: 1})
}

// TestALargeMailThatIsAlwaysTornBlocksNothing: the connection is reset, or
// ends, within a streamed body, each time at the same octet.
func TestALargeMailThatIsAlwaysTornBlocksNothing(t *testing.T) {
	for _, k := range []kind{pop3, imap} {
		for name, f := range map[string]*mail.Fault{
			"reset": lost(),
			"ended": {Class: mail.Transient, Code: "cut", Text: "cut", Err: io.ErrUnexpectedEOF},
		} {
			t.Run(k.String()+"/"+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, k, message(1, 2<<20), message(2, 300), message(3, 300), message(4, 300))
					server := tearing(1, 1<<20, f)
					w.want(w.sync(Leave, server.at), Report{Listed: 4, Imported: 3, Failed: 1})
					w.want(w.sync(Leave), Report{Listed: 4, Imported: 1, Already: 3})
					w.arrived(Leave)
				})
			})
		}
	}
}
