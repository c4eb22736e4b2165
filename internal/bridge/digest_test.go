package bridge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// telling is a mail server that can tell whether anything has changed.
type telling struct {
	mute   bool         // this time it cannot
	fails  error        // or it breaks
	after  func()       // what happens between the digest and the listing, whichever is first
	asked  int          // digests
	listed atomic.Int64 // listings
}

func (d *telling) at(p *Pass) { p.Dialer = tellingDialer{p.Dialer, d} }

type tellingDialer struct {
	Dialer
	*telling
}

func (d tellingDialer) Dial(ctx context.Context) (Source, error) {
	s, err := d.Dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return tellingSource{s, d.telling, new(int)}, nil
}

type tellingSource struct {
	Source
	*telling
	calls *int
}

func (s tellingSource) between() {
	if *s.calls++; *s.calls == 1 && s.after != nil {
		s.after()
	}
}

// Digest shows ids and sizes, and no flags, as a POP3 server or a poor IMAP one.
func (s tellingSource) Digest(ctx context.Context, w io.Writer) (bool, error) {
	s.asked++
	if s.fails != nil {
		return false, s.fails
	}
	for ref, err := range s.Source.List(ctx) {
		if err != nil {
			return false, err
		}
		if !ref.HasID() {
			ref.UIDL = "?" // a source that knows no better
		}
		fmt.Fprintf(w, "%s %d\n", ref.AppendID(nil), ref.Size)
	}
	s.between()
	return !s.mute, nil
}

func (s tellingSource) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	s.listed.Add(1)
	return func(yield func(mail.Ref, error) bool) {
		for ref, err := range s.Source.List(ctx) {
			if !yield(ref, err) {
				return
			}
		}
		s.between()
	}
}

// counting counts what a pass asks of the ledger.
type counting struct {
	Ledger
	reads, writes *atomic.Int64
}

func (c counting) Entries(ctx context.Context) ([]ledger.Entry, error) {
	c.reads.Add(1)
	return c.Ledger.Entries(ctx)
}

func (c counting) Claim(ctx context.Context, cl ledger.Claim) error {
	c.writes.Add(1)
	return c.Ledger.Claim(ctx, cl)
}

func (c counting) Settle(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	c.writes.Add(1)
	return c.Ledger.Settle(ctx, k, o)
}

func (c counting) Record(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	c.writes.Add(1)
	return c.Ledger.Record(ctx, k, o)
}

func (c counting) Listed(ctx context.Context, a, p []ledger.Key) error {
	c.writes.Add(1)
	return c.Ledger.Listed(ctx, a, p)
}

// poll runs passes that hand their digest on, as the engine does.
type poll struct {
	*world
	telling
	policy Disposal
	digest mail.Key
}

func (p *poll) pass(mutate ...func(*Pass)) (Report, error) {
	rep, err := p.live(p.t.Context(), &life{mutate: func(q *Pass) {
		q.Digest = p.digest
		for _, m := range mutate {
			m(q)
		}
		p.at(q)
	}}, p.policy)
	p.digest = rep.Digest
	return rep, err
}

func (p *poll) must(mutate ...func(*Pass)) Report {
	p.t.Helper()
	rep, err := p.pass(mutate...)
	if err != nil {
		p.t.Fatalf("sync: %v", err)
	}
	return rep
}

// unchanged fails the test if the next pass does not find everything as it was.
func (p *poll) unchanged(mutate ...func(*Pass)) {
	p.t.Helper()
	p.want(p.must(mutate...), Report{Unchanged: true})
}

func TestAnUnchangedListingCostsOneLookAndNoWrite(t *testing.T) {
	for _, k := range []kind{pop3, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := &poll{world: newWorld(t, k, load(false)...), policy: Leave}
				p.want(p.must(), Report{Listed: 5, Imported: 5})
				saved := p.digest
				var reads, writes atomic.Int64
				for range 3 {
					p.unchanged(func(q *Pass) { q.Ledger = counting{q.Ledger, &reads, &writes} })
				}
				if reads.Load()+writes.Load() != 0 || p.listed.Load() != 1 || p.digest != saved || saved == (mail.Key{}) {
					t.Errorf("%d reads, %d writes of the ledger, %d listings, digest %x then %x; want 0, 0, 1 and the same",
						reads.Load(), writes.Load(), p.listed.Load(), saved, p.digest)
				}
				p.drop.add(message(9, 100))
				p.want(p.must(), Report{Listed: 6, Imported: 1, Already: 5})
				p.unchanged()
				p.drop.mails = p.drop.mails[1:]
				p.want(p.must(), Report{Listed: 5, Already: 5})
				p.unchanged()
				p.arrivedAll()
			})
		})
	}
}

// arrivedAll: whatever is in the maildrop now is in Gmail once, or shown as
// doubtful, and no claim is open.
func (p *poll) arrivedAll() {
	p.t.Helper()
	doubtful := 0
	for _, l := range p.memory.Lines(p.box) {
		doubtful += boolInt(l.Status == mail.Doubtful)
	}
	for _, m := range p.drop.mails {
		if n := p.gmail.copies[m.raw]; n != p.drop.ever[m.raw] {
			if doubtful--; doubtful >= 0 {
				continue
			}
			p.t.Errorf("message %q is in Gmail %d times, want %d", subject(m.raw), n, p.drop.ever[m.raw])
		}
	}
	for raw, n := range p.gmail.copies {
		if n > p.drop.ever[raw] {
			p.t.Errorf("message %q is in Gmail %d times, want at most %d", subject(raw), n, p.drop.ever[raw])
		}
	}
	if n := p.open(); n != 0 {
		p.t.Errorf("%d claims are open", n)
	}
}

// TestADigestHidesNoClaim: a message was claimed, and removed at the source,
// so that the listing is as before.
func TestADigestHidesNoClaim(t *testing.T) {
	for _, step := range []Step{StepClaim, StepPut} { // nothing, or all of it, is in Gmail
		t.Run(step.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := &poll{world: newWorld(t, pop3, message(1, 300)), policy: Leave}
				p.must()
				saved := p.digest
				p.drop.add(message(2, 300))
				p.killed(step, After, Leave)
				p.drop.mails = p.drop.mails[:1]
				p.digest = saved
				rep := p.must()
				if n := p.open(); n != 0 || rep.Unchanged {
					t.Errorf("%+v, %d claims are open", rep, n)
				}
			})
		})
	}
}

func TestADigestIsKeptOnlyIfNothingIsLeftToDo(t *testing.T) {
	failing := func(p *Pass) {
		p.Gmail = refusing{Importer: p.Gmail, put: func(b []byte) error {
			if bytes.Contains(b, []byte("Subject: 2\r")) {
				return &mail.Fault{Class: mail.Refused, Code: "gmail_label_missing", Text: "label gone"}
			}
			return nil
		}}
	}
	headless := odd{header: func(context.Context, mail.Ref) error {
		return &mail.Fault{Class: mail.Undelivered, Code: "not_delivered"}
	}}
	deaf := odd{remove: func(remove, []mail.Ref) error { return nil }} // says yes, and keeps them
	poor := odd{quit: func(quit func() error) error { _ = quit(); return lost() }}
	silent := odd{fetch: func(all fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
		return all(slices.DeleteFunc(slices.Clone(refs), func(r mail.Ref) bool { return r.Number == 2 }))
	}}
	cut := tearing(2, 20, lost())
	for name, c := range map[string]struct {
		kind   kind
		policy Disposal
		mutate func(*Pass)
		keep   bool
	}{
		"all imported":                {pop3, Leave, func(*Pass) {}, true},
		"all skipped":                 {pop3, Leave, func(p *Pass) { p.Filter = skipSubject("2") }, true},
		"refused for good":            {pop3, Leave, func(p *Pass) { p.Gmail = refusing{Importer: p.Gmail, put: refuseSecond} }, true},
		"one failed":                  {pop3, Leave, failing, false},
		"one is not given":            {pop3, Leave, silent.at, false},
		"one breaks the connection":   {pop3, Leave, cut.at, false},
		"neither id nor header":       {nameless, Leave, headless.at, false},
		"deleted":                     {pop3, Delete, func(*Pass) {}, false},
		"deleted, says the server":    {pop3, Delete, deaf.at, false},
		"marked seen":                 {imap, Seen, func(*Pass) {}, false},
		"QUIT failed":                 {pop3, Leave, poor.at, false},
		"out of budget":               {pop3, Leave, func(p *Pass) { p.Budget = &stingy{until: 5 * time.Hour} }, false},
		"a claim that nobody can ask": {pop3, Leave, func(*Pass) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := &poll{world: newWorld(t, c.kind, load(false)...), policy: c.policy}
				mutate := c.mutate
				if name == "a claim that nobody can ask" {
					p.drop.add(message(9, 300))
					p.killed(StepClaim, After, Leave)
					mutate = func(p *Pass) {
						hides(6)(p) // with Since, a missing message may only be hidden
						p.Gmail = oddGmail{Importer: p.Gmail, query: func(string) error {
							return &mail.Fault{Class: mail.Refused, Code: "gmail_refused", Text: "refused"}
						}}
					}
				}
				_, _ = p.pass(mutate)
				if kept := p.digest != (mail.Key{}); kept != c.keep {
					t.Errorf("kept: %v, want %v", kept, c.keep)
				}
			})
		})
	}
}

func refuseSecond(b []byte) error {
	if bytes.Contains(b, []byte("Subject: 2\r")) {
		return &mail.Fault{Class: mail.Refused, Code: "gmail_attachment", Text: "refused"}
	}
	return nil
}

// TestADeletionThatTheServerForgetsIsDoneAgain, though its listing is always
// the same.
func TestADeletionThatTheServerForgetsIsDoneAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &poll{world: newWorld(t, pop3, message(1, 100)), policy: Delete}
		asked := 0
		deaf := odd{remove: func(_ remove, refs []mail.Ref) error { asked += len(refs); return nil }}
		for range 3 {
			p.must(deaf.at)
		}
		p.must()
		if asked != 3 || len(p.drop.mails) != 0 {
			t.Errorf("deleted %d times before the server did it, want 3; %d messages left", asked, len(p.drop.mails))
		}
	})
}

// TestATwinOfARefusedMessageKeepsNoDigest: its equal is held back from
// deletion, so something is due.
func TestATwinOfARefusedMessageKeepsNoDigest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &poll{world: newWorld(t, nameless, message(1, 100)), policy: Leave}
		p.must()
		p.drop.add(message(1, 100))
		p.policy = Delete
		p.must(func(q *Pass) {
			q.Gmail = refusing{Importer: q.Gmail, put: func([]byte) error {
				return &mail.Fault{Class: mail.Refused, Code: "gmail_attachment", Text: "refused"}
			}}
		})
		if p.digest != (mail.Key{}) {
			t.Error("a digest was kept, though the first message is due")
		}
		p.must()
		if n := len(p.drop.mails); n != 2 {
			t.Errorf("%d messages at the source, want both: nobody could tell which is left", n)
		}
	})
}

func TestASettingThatConcernsListedMailDropsTheDigest(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Pass)
		drops  bool
	}{
		"nothing":             {func(*Pass) {}, false},
		"a label":             {func(p *Pass) { p.Labels = []string{"Old"} }, false},
		"rules":               {func(p *Pass) { p.Filter = skipSubject("1") }, false},
		"the stamp":           {func(p *Pass) { p.Stamp = []byte("other host") }, true},
		"the source policy":   {func(p *Pass) { p.AfterImport = Seen }, true},
		"since":               {func(p *Pass) { p.Since = time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC) }, true},
		"one folder more":     {func(p *Pass) { p.Folders = []string{"INBOX", "Sent"} }, true},
		"a folder in a stamp": {func(p *Pass) { p.Folders, p.Stamp = nil, []byte("INBOX") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := &poll{world: newWorld(t, imap, message(1, 100)), policy: Leave}
				p.must()
				if rep := p.must(c.change); rep.Unchanged == c.drops {
					t.Errorf("got %+v", rep)
				}
			})
		})
	}
}

// TestMailThatArrivesBetweenDigestAndListingIsNotHidden, nor is the next.
func TestMailThatArrivesBetweenDigestAndListingIsNotHidden(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &poll{world: newWorld(t, imap, message(1, 100)), policy: Leave}
		next := 2
		p.after = func() { p.drop.add(message(next, 100)); next++ }
		for range 3 {
			if rep := p.must(); rep.Imported == 0 {
				t.Errorf("got %+v, want something imported", rep)
			}
		}
		p.after = nil
		p.must()
		p.unchanged()
		p.arrivedAll()
	})
}

// TestADigestDoesNotOutliveAnotherPass: m is noted absent, then the pass
// fails; the listing is as before again, but its id names another message.
func TestADigestDoesNotOutliveAnotherPass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &poll{world: newWorld(t, pop3, message(1, 100)), policy: Leave}
		p.must()
		first := p.drop.mails
		p.drop.mails = nil
		poor := odd{quit: func(quit func() error) error { _ = quit(); return lost() }}
		_, _ = p.pass(poor.at)
		p.must()
		p.drop.mails = []*fakeMail{{uid: first[0].uid, raw: message(2, 100)}}
		p.drop.ever[message(2, 100)]++
		p.must()
		p.arrivedAll()
	})
}

func TestASourceThatCannotTellIsListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &poll{world: newWorld(t, pop3, message(1, 100)), policy: Leave}
		p.mute = true
		p.must()
		if p.digest != (mail.Key{}) {
			t.Error("a digest was kept")
		}
		p.mute = false
		p.must()
		p.mute = true
		p.want(p.must(), Report{Listed: 1, Already: 1})
		p.fails = lost()
		if rep, err := p.pass(); mail.ClassOf(err) != mail.Transient || rep.Listed != 0 {
			t.Errorf("got %+v, %v", rep, err)
		}
	})
}

// TestRandomPollsHideNothing: mail comes, goes and comes back, the process is
// killed, connections and answers are lost, and the digest is handed from pass
// to pass as the engine does it, across kills as well.
func TestRandomPollsHideNothing(t *testing.T) {
	t.Parallel()
	var same, full int
	for seed := range uint64(300) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := randomPolls(t, seed)
				same, full = same+s, full+f
			})
		})
	}
	if same < 100 || full < 100 {
		t.Errorf("%d passes found nothing changed, %d did: the test needs many of both", same, full)
	}
}

func randomPolls(t *testing.T, seed uint64) (same, full int) {
	dice := newChance(seed)
	kind := []kind{pop3, imap}[dice.n(2)]
	policy := []Disposal{Leave, Delete, Seen}[dice.n(3)]
	if kind == pop3 && policy == Seen {
		policy = Leave
	}
	p := &poll{world: newWorld(t, kind, load(false)[:2]...), policy: policy}
	w := p.world
	rough := 1.0
	w.gmail.lose = func() (bool, bool) { return dice.of(0.03 * rough), dice.of(0.03 * rough) }
	w.drop.cut = func(mail.Ref) (int, bool) { return dice.n(3000), dice.of(0.05 * rough) }
	deaf := odd{remove: func(all remove, refs []mail.Ref) error {
		if dice.of(0.2 * rough) {
			return nil
		}
		return all(refs)
	}}
	next, away := 100, []*fakeMail(nil)
	step := func() {
		l := &life{die: func(Step, When) bool { return dice.of(0.01 * rough) }}
		l.mutate = func(q *Pass) { q.Digest = p.digest; deaf.at(q); p.at(q) }
		rep, _ := w.live(t.Context(), l, policy)
		if !l.dead.Load() {
			p.digest = rep.Digest
		}
		if rep.Unchanged {
			same++
		} else {
			full++
		}
	}
	for range 12 {
		step()
		switch n := len(w.drop.mails); {
		case dice.of(0.2):
			w.drop.add(message(next, 500))
			next++
		case dice.of(0.2) && n > 0: // another client takes one away,
			i := dice.n(n)
			away = append(away, w.drop.mails[i])
			w.drop.mails = slices.Delete(w.drop.mails, i, i+1)
		case dice.of(0.3) && len(away) > 0 && kind == pop3: // and puts it back
			w.drop.mails = append(w.drop.mails, away[len(away)-1])
			away = away[:len(away)-1]
		}
	}
	rough = 0
	for range 8 {
		step()
	}
	p.arrivedAll()
	if policy == Delete && len(w.drop.mails) != 0 {
		t.Errorf("%d messages are still at the source", len(w.drop.mails))
	}
	return same, full
}
