package bridge

import (
	"context"
	"fmt"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// unsettling is a store that fails at the second settle, when the upload
// session expires as well.
type unsettling struct {
	Ledger
	gmail   *fakeGmail
	settles *int
}

func (l unsettling) Settle(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	if *l.settles++; *l.settles != 2 {
		return l.Ledger.Settle(ctx, k, o)
	}
	l.gmail.mu.Lock()
	defer l.gmail.mu.Unlock()
	for _, u := range l.gmail.sessions {
		u.gone = true
	}
	return &mail.Fault{Class: mail.Transient, Code: "store", Text: "the store does not answer"}
}

// TestWhatGmailHasSaidItHasIsNotSentAgain: the pass tries again, and no session
// is left to ask.
func TestWhatGmailHasSaidItHasIsNotSentAgain(t *testing.T) {
	for _, kind := range []kind{pop3, nameless, imap} {
		for _, size := range []int{300, 600_000} {
			t.Run(fmt.Sprint(kind, "/", size), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, kind, message(1, 200), message(2, size), message(3, 100))
					settles := 0
					w.want(w.sync(Leave, func(p *Pass) {
						p.Parallel, p.Ledger = 1, unsettling{p.Ledger, w.gmail, &settles}
					}), Report{Listed: 3, Imported: 3})
					w.arrived(Leave)
				})
			})
		}
	}
}

// forgetful is a store that fails once, at the settle of one message.
type forgetful struct {
	Ledger
	content mail.Key
	failed  *bool
}

func (l forgetful) Settle(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	if *l.failed || k.Content != l.content {
		return l.Ledger.Settle(ctx, k, o)
	}
	*l.failed = true
	return &mail.Fault{Class: mail.Transient, Code: "store", Text: "the store does not answer"}
}

// TestAClaimUnderAnOldIDIsCarriedOnInTheNextRoundToo: a round that breaks leaves
// no claim in the hands of a message that is read anew.
func TestAClaimUnderAnOldIDIsCarriedOnInTheNextRoundToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(1, 200))
		w.killed(StepPut, Before, Leave)
		for n := range 4 {
			w.drop.add(message(n+2, 200))
		}
		w.drop.validity++
		failed := false
		content := testKeys{}.Content(mail.ParseHeader([]byte(message(1, 200))))
		w.want(w.sync(Leave, func(p *Pass) {
			p.Newest, p.Left, p.Ledger = true, 10, forgetful{p.Ledger, content, &failed}
		}), Report{Listed: 5, Imported: 5})
		w.arrived(Leave)
		if !failed {
			t.Error("nothing failed")
		}
	})
}

// TestOnlyWhatAnEarlierPassHadClaimedIsRecovered: the metric of that name tells
// the operator what crashes have left behind.
func TestOnlyWhatAnEarlierPassHadClaimedIsRecovered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(1, 200), message(2, 200))
		recovered := func() (n int) {
			w.sync(Leave, func(p *Pass) {
				p.Progress = func(e Event) {
					if e.Recovered {
						n++
					}
				}
			})
			return n
		}
		if n := recovered(); n != 0 {
			t.Errorf("%d of two new messages are recovered", n)
		}
		w.drop.add(message(3, 200))
		w.drop.add(message(4, 200))
		w.killed(StepPut, Before, Leave, func(p *Pass) { p.Parallel = 1 })
		claimed := w.open()
		if n := recovered(); n != claimed || n == 0 {
			t.Errorf("%d are recovered of %d that were claimed", n, claimed)
		}
	})
}

// tardy is a store that fails once, after it has written the claim of a message.
type tardy struct {
	Ledger
	content mail.Key
	then    func()
}

func (l tardy) Claim(ctx context.Context, c ledger.Claim) error {
	err := l.Ledger.Claim(ctx, c)
	if err == nil && c.Content == l.content {
		l.then()
		err = &mail.Fault{Class: mail.Transient, Code: "store", Text: "the store does not answer"}
	}
	return err
}

// TestAClaimThatMayHaveBeenWrittenIsLookedFor: its message may have another id
// in the next round, and the claim be taken for nobody's.
func TestAClaimThatMayHaveBeenWrittenIsLookedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap)
		for n := range 5 {
			w.drop.add(message(n+1, 200))
		}
		content := testKeys{}.Content(mail.ParseHeader([]byte(message(1, 200))))
		r := rules(map[string]mail.Verdict{"1": {Star: true}})
		w.sync(Leave, func(p *Pass) {
			p.Newest, p.Left, p.Filter = true, 10, r
			p.Ledger = tardy{p.Ledger, content, func() {
				w.drop.mu.Lock()
				w.drop.validity++
				w.drop.mu.Unlock()
			}}
		})
		w.arrived(Leave)
		if n := len(w.gmail.sessions); n != 5 || r.asked["1"] != 1 {
			t.Errorf("%d upload sessions for five messages; the rules were asked %d times about the first", n, r.asked["1"])
		}
	})
}
