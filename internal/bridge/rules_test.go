package bridge

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// ruling are rules that know what to say of each subject, and count how often
// they are asked.
type ruling struct {
	says map[string]mail.Verdict

	mu    sync.Mutex
	asked map[string]int
}

func rules(says map[string]mail.Verdict) *ruling {
	return &ruling{says: says, asked: make(map[string]int)}
}

func (r *ruling) at(p *Pass) { p.Filter = r }

func (r *ruling) Decide(_ context.Context, h *mail.Header, _ mail.Ref) (mail.Verdict, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[h.Get("Subject")]++
	return r.says[h.Get("Subject")], nil
}

func (r *ruling) MaySkip() bool {
	for _, v := range r.says {
		if v.Skip {
			return true
		}
	}
	return false
}

var skip = mail.Verdict{Skip: true, Reason: "skip-domains/1"}

func TestASkippedMessageIsRecordedAndStaysAtTheSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		rules := func(p *Pass) { p.Filter = skipSubject("3") }
		w.want(w.sync(Delete, rules), Report{Listed: 5, Imported: 4, Skipped: 1})
		w.want(w.sync(Delete), Report{Listed: 1, Skipped: 1})
	})
}

// wanting is a ledger whose user wants all that has failed.
type wanting struct{ Ledger }

func (w wanting) Entries(ctx context.Context) ([]ledger.Entry, error) {
	all, err := w.Ledger.Entries(ctx)
	for i, e := range all {
		all[i].Wanted = e.State == ledger.Failed
	}
	return all, err
}

func TestWhatItsUserWantsNoRuleSkips(t *testing.T) {
	for _, size := range []int{300, 600_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { wantedAfterAll(t, size) })
	}
}

func wantedAfterAll(t *testing.T, size int) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, size), message(1, size), message(2, 300))
		src, err := (&deadly{new(life), w.drop}).Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for ref := range src.List(t.Context()) { // the first alone
			err = w.memory.Take().Mailbox(w.box).Record(t.Context(), ledger.Key{ID: testKeys{}.ID(ref)}, ledger.Outcome{Status: mail.Failed})
			break
		}
		if err = errors.Join(err, src.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		w.want(w.sync(Leave, func(p *Pass) {
			p.Filter, p.Ledger = skipSubject("1"), wanting{p.Ledger}
		}), Report{Listed: 3, Imported: 2, Skipped: 1})
		if !has(w.memory.Lines(w.box), mail.Imported, "") { // not that for which it would have been skipped
			t.Errorf("audit: %+v", w.memory.Lines(w.box))
		}
	})
}

type skipSubject string

func (skipSubject) MaySkip() bool { return true }

func (s skipSubject) Decide(_ context.Context, h *mail.Header, _ mail.Ref) (mail.Verdict, error) {
	return mail.Verdict{Skip: h.Get("Subject") == string(s), Reason: "rule"}, nil
}

type always mail.Verdict

func (a always) MaySkip() bool { return a.Skip }

func (a always) Decide(context.Context, *mail.Header, mail.Ref) (mail.Verdict, error) {
	return mail.Verdict(a), nil
}

func TestWhatRulesCallSpamIsNotInTheInbox(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 300))
		id, used := "", []string(nil)
		w.sync(Leave, func(p *Pass) {
			p.Filter = always{Spam: true, Star: true}
			p.Gmail = labelling{p.Gmail, &id, &used}
		})
		if got, want := strings.Join(used, " "), "SPAM UNREAD STARRED"; got != want {
			t.Errorf("labels %q, want %q", got, want)
		}
	})
}

func TestTheVerdictIsStoredWithTheClaimAndNeverComputedTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 300))
		_, _ = w.live(t.Context(), &life{die: func(s Step, wh When) bool { return s == StepClaim && wh == After }}, Leave)
		// The user has changed a rule since: it must not count for this one.
		w.want(w.sync(Leave, func(p *Pass) { p.Filter = skipSubject("1") }), Report{Listed: 1, Imported: 1})
	})
}

// A verdict that was written down counts, whatever the rules say after the
// crash; one that was not is asked for anew. Nobody is asked twice.
func TestAVerdictOutlivesTheProcessWhereverItIsKilled(t *testing.T) {
	t.Parallel()
	for _, kind := range []kind{pop3, nameless, imap} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			kept := 0
			for _, step := range Steps() {
				for _, when := range []When{Before, After} {
					for n := range 4 {
						kept += changeOfMind(t, kind, step, when, n+1)
					}
				}
			}
			if kept == 0 {
				t.Error("no verdict was ever written down before the crash")
			}
		})
	}
}

// changeOfMind kills a process whose user then makes other rules, and gives the
// number of messages of which something was written down.
func changeOfMind(t *testing.T, kind kind, step Step, when When, n int) (kept int) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, kind, message(1, 300), message(2, 300), message(3, 600_000), message(4, 600_000))
		before := rules(map[string]mail.Verdict{"1": {Star: true, Reason: "before/1"}, "2": skip, "3": skip, "4": {Archive: true, Reason: "before/4"}})
		after := rules(map[string]mail.Verdict{"1": skip, "2": {Star: true, Reason: "after/2"}, "3": {Reason: "after/3"}, "4": skip})
		var passed atomic.Int64
		_, _ = w.live(t.Context(), &life{mutate: before.at, die: func(s Step, wh When) bool {
			return s == step && wh == when && passed.Add(1) == int64(n)
		}}, Leave)
		known := w.contents()
		for range 3 {
			_, _ = w.live(t.Context(), &life{mutate: after.at}, Leave)
		}
		ended := w.contents()
		for raw := range w.drop.ever {
			s, content := subject(raw), testKeys{}.Content(mail.ParseHeader([]byte(raw[:mail.HeaderEnd([]byte(raw))])))
			of := after
			if known[content] != 0 {
				of = before
				kept++
			}
			state, copies := ledger.Imported, 1
			if of.says[s].Skip {
				state, copies = ledger.Skipped, 0
			}
			where := fmt.Sprintf("killed %v %v #%d: message %s, state %d at the crash", when, step, n, s, known[content])
			if ended[content] != state || w.gmail.copies[raw] != copies {
				t.Errorf("%s: state %d with %d copies in Gmail, want %d with %d", where, ended[content], w.gmail.copies[raw], state, copies)
			}
			if before.asked[s] > 1 || after.asked[s] > 1 || of == before && after.asked[s] > 0 {
				t.Errorf("%s: asked %d and %d times", where, before.asked[s], after.asked[s])
			}
			if star := slices.Contains(w.gmail.labels[raw], "STARRED"); star != of.says[s].Star {
				t.Errorf("%s: labels %q", where, w.gmail.labels[raw])
			}
			if !slices.ContainsFunc(w.memory.Lines(w.box), func(l ledger.Line) bool { return l.Reason == of.says[s].Reason }) {
				t.Errorf("%s: no line of the audit gives the reason %q", where, of.says[s].Reason)
			}
		}
	})
	return kept
}

// contents gives the states of the ledger by content key.
func (w *world) contents() map[mail.Key]ledger.State {
	states := make(map[mail.Key]ledger.State)
	entries, err := w.memory.Take().Mailbox(w.box).Entries(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		states[e.Content] = e.State
	}
	return states
}

// thrifty counts what is taken of the budget.
type thrifty struct {
	noBudget
	octets *atomic.Int64
}

func (b thrifty) Reserve(ctx context.Context, sizes []int64) (int, error) {
	for _, n := range sizes {
		b.octets.Add(n)
	}
	return b.noBudget.Reserve(ctx, sizes)
}

// Of large mail that a rule skips the header alone is fetched, and no session
// is opened for any mail that is skipped.
func TestASkipSparesTheBody(t *testing.T) {
	const large, small = 600_000, 4000
	all := []string{message(1, large), message(2, large), message(3, large), message(4, small), message(5, small)}
	for _, kind := range []kind{pop3, nameless, imap} {
		for name, c := range map[string]struct {
			says   map[string]mail.Verdict
			read   []int // whose octets are taken
			budget []int // and for which there must be some
			alone  int64 // headers beside those that tell which message it is
		}{
			"some are skipped":    {map[string]mail.Verdict{"1": skip, "2": skip, "4": skip}, []int{2, 3, 4}, []int{2, 3, 4}, 3},
			"none may be skipped": {map[string]mail.Verdict{"1": {Star: true}}, []int{0, 1, 2, 3, 4}, []int{0, 1, 2, 3, 4}, 0},
		} {
			t.Run(fmt.Sprint(kind, "/", name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, kind, all...)
					r := rules(c.says)
					var octets atomic.Int64
					sum := func(of []int) (n int64) {
						for _, i := range of {
							n += int64(len(all[i]))
						}
						return n
					}
					skips := 0
					for _, v := range c.says {
						skips += boolInt(v.Skip)
					}
					w.want(w.sync(Leave, func(p *Pass) { r.at(p); p.Budget = thrifty{octets: &octets} }), Report{Listed: 5, Imported: 5 - skips, Skipped: skips})
					if got, want := w.drop.read.Load(), sum(c.read); got != want {
						t.Errorf("%d octets were read, want %d", got, want)
					}
					if got, want := octets.Load(), sum(c.budget); got != want {
						t.Errorf("%d octets of budget were taken, want %d", got, want)
					}
					if kind == nameless { // the listing has asked for each
						c.alone += int64(len(all))
					}
					if got := w.drop.headers.Load(); got != c.alone {
						t.Errorf("%d headers were asked for, want %d", got, c.alone)
					}
					if got, want := len(w.gmail.sessions), 5-skips; got != want {
						t.Errorf("%d upload sessions, want %d", got, want)
					}
					for s, n := range r.asked {
						if n != 1 {
							t.Errorf("the rules were asked %d times about %s", n, s)
						}
					}
				})
			})
		}
	}
}

// A message that is larger than was announced is skipped from its beginning.
func TestASkipOfMailThatWasAnnouncedAsSmallReadsOneWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 600_000))
		w.drop.announce = func(int64) int64 { return 1000 }
		w.want(w.sync(Leave, rules(map[string]mail.Verdict{"1": skip}).at), Report{Listed: 1, Skipped: 1})
		if got := w.drop.read.Load(); got != window {
			t.Errorf("%d octets were read, want %d", got, window)
		}
	})
}

// costly is a server on which a header alone ends the session: one without TOP.
type costly struct {
	Dialer
	breaks bool // before the header has come
}

func (d costly) Dial(ctx context.Context) (Source, error) {
	s, err := d.Dialer.Dial(ctx)
	return &costlySource{Source: s, breaks: d.breaks}, err
}

type costlySource struct {
	Source
	breaks, over bool
}

var errOver = &mail.Fault{Class: mail.Transient, Code: "reconnect", Text: "the connection was given up"}

func (s *costlySource) Header(ctx context.Context, ref mail.Ref) (*mail.Header, error) {
	if s.over || s.breaks {
		s.over = true
		return nil, errOver
	}
	s.over = true
	return s.Source.Header(ctx, ref)
}

func (s *costlySource) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	if s.over {
		return func(yield func(*mail.Incoming, error) bool) { yield(nil, errOver) }
	}
	return s.Source.Fetch(ctx, refs)
}

// Looking at headers first is a favour: where it costs the connection the mail
// arrives all the same, in one pass, and no message is blamed.
func TestAServerThatGivesNoHeaderAloneLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		mails  int
		breaks bool
	}{"one": {1, false}, "many": {20, false}, "one, without an answer": {1, true}, "many, without an answer": {20, true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, pop3)
				for n := range c.mails {
					w.drop.add(message(n, 300_000))
				}
				r := rules(map[string]mail.Verdict{"7": skip})
				skipped := c.mails / 20
				w.want(w.sync(Leave, func(p *Pass) { r.at(p); p.Dialer = costly{p.Dialer, c.breaks} }),
					Report{Listed: c.mails, Imported: c.mails - skipped, Skipped: skipped})
				for _, l := range w.memory.Lines(w.box) {
					if l.Status == mail.Failed {
						t.Errorf("a message was blamed: %s", l.Reason)
					}
				}
			})
		})
	}
}

// faulty are rules that cannot be asked.
type faulty struct{ err error }

func (f faulty) Decide(context.Context, *mail.Header, mail.Ref) (mail.Verdict, error) {
	return mail.Verdict{Skip: true}, f.err
}

func (faulty) MaySkip() bool { return true }

func TestMailIsImportedWhereRulesFail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(1, 300), message(2, 600_000))
		w.want(w.sync(Leave, func(p *Pass) { p.Filter = faulty{errors.New("broken")} }), Report{Listed: 2, Imported: 2})
		for _, l := range w.memory.Lines(w.box) {
			if l.Reason != "rule_failed" {
				t.Errorf("the audit says %q", l.Reason)
			}
		}
	})
}

// stopping are rules in the middle of which the process is asked to end.
type stopping struct{ stop context.CancelCauseFunc }

func (s stopping) Decide(ctx context.Context, _ *mail.Header, _ mail.Ref) (mail.Verdict, error) {
	s.stop(errDead)
	<-ctx.Done()
	return mail.Verdict{}, context.Cause(ctx)
}

func (stopping) MaySkip() bool { return true }

func TestAPassThatEndsWhileRulesAreAskedDecidesNothing(t *testing.T) {
	for _, size := range []int{300, 600_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, pop3, message(1, size))
				ctx, stop := context.WithCancelCause(t.Context())
				if _, err := w.live(ctx, &life{mutate: func(p *Pass) { p.Filter = stopping{stop} }}, Leave); !errors.Is(err, errDead) {
					t.Errorf("got %v", err)
				}
				if known := w.contents(); len(known) > 0 || len(w.gmail.sessions) > 0 {
					t.Errorf("%d entries, %d upload sessions", len(known), len(w.gmail.sessions))
				}
				w.want(w.sync(Leave, rules(map[string]mail.Verdict{"1": skip}).at), Report{Listed: 1, Skipped: 1})
			})
		})
	}
}

// choosy takes no label of a name.
type choosy struct {
	Importer
	refuses string
}

func (g choosy) Label(ctx context.Context, name string) (string, error) {
	if name == g.refuses {
		return "", &mail.Fault{Class: mail.Setup, Code: "label_name", Text: "Gmail does not accept the label's name"}
	}
	return g.Importer.Label(ctx, name)
}

// The name of a rule's label may be a stranger's choice: one that Gmail does
// not take is left out, and the message comes.
func TestALabelOfARuleThatGmailRefusesStopsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 300), message(2, 300))
		w.want(w.sync(Leave, func(p *Pass) {
			p.Filter = rules(map[string]mail.Verdict{"1": {Labels: []string{"inbox", "Lists"}}, "2": {Labels: []string{"Lists"}}})
			p.Gmail = choosy{p.Gmail, "inbox"}
		}), Report{Listed: 2, Imported: 2})
		for _, raw := range []string{message(1, 300), message(2, 300)} {
			if got := strings.Join(w.gmail.labels[raw], " "); got != "INBOX UNREAD Label_Lists" {
				t.Errorf("labels %q", got)
			}
		}
		if !has(w.memory.Lines(w.box), mail.Imported, "rule_failed:label") {
			t.Errorf("audit: %+v", w.memory.Lines(w.box))
		}
	})
}
