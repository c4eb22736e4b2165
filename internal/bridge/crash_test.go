package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func init() { batchMessages = 3 } // several batches in a small maildrop

// load is the mail of one crash history: small ones, one larger than the
// window, and one long enough for a sealed checkpoint where asked for.
func load(long bool) []string {
	raws := []string{message(1, 300), message(2, 5000), message(3, 90_000), message(4, 600_000), message(5, 2000)}
	if long {
		raws = append(raws, message(6, 20<<20)) // two checkpoints
	}
	return raws
}

// settleDown runs passes without crashes until one leaves nothing.
func settleDown(t *testing.T, w *world, policy Disposal) {
	t.Helper()
	for range 5 {
		rep, err := w.live(t.Context(), &life{}, policy)
		if err == nil && !undone(rep) {
			return
		}
	}
	t.Errorf("five passes without a crash left something undone")
}

func undone(r Report) bool { return r.Failed+r.Doubtful > 0 }

// TestEveryMessageArrivesOnceWhereverTheProcessIsKilled kills the process
// before and after the n-th passing of each step, and then once more at a
// random place of the recovery.
func TestEveryMessageArrivesOnceWhereverTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	for _, kind := range []kind{pop3, nameless, imap} {
		for _, policy := range []Disposal{Leave, Delete, Seen, Move} {
			if kind != imap && (policy == Seen || policy == Move) {
				continue
			}
			t.Run(fmt.Sprint(kind, "/", policy), func(t *testing.T) {
				t.Parallel()
				var fired [stepEnd][2]int
				for _, step := range Steps() {
					for _, when := range []When{Before, After} {
						for n := range 4 {
							if crashed := crashOnce(t, kind, policy, step, when, n+1); crashed {
								fired[step][when]++
							}
						}
					}
				}
				for _, step := range Steps() {
					never := fired[step][Before] == 0 || fired[step][After] == 0
					if never && reachable(step, kind, policy) {
						t.Errorf("step %v was never hit: before %d, after %d", step, fired[step][Before], fired[step][After])
					}
				}
			})
		}
	}
}

func reachable(s Step, _ kind, p Disposal) bool {
	switch s {
	case StepQuery, StepRemap, StepRecheck:
		return false // of recoveries; the second crash hits them
	case StepDispose:
		return p != Leave
	}
	return true
}

func crashOnce(t *testing.T, kind kind, policy Disposal, step Step, when When, n int) (crashed bool) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, kind, load(step == StepCheckpoint)...)
		var passed atomic.Int64
		first := &life{die: func(s Step, wh When) bool {
			return s == step && wh == when && passed.Add(1) == int64(n)
		}}
		_, _ = w.live(t.Context(), first, policy)
		crashed = first.dead.Load()
		dice := newChance(uint64(step)<<16 | uint64(when)<<8 | uint64(n))
		second := &life{die: func(Step, When) bool { return dice.of(0.04) }}
		_, _ = w.live(t.Context(), second, policy)
		settleDown(t, w, policy)
		if err := w.verify(policy); err != nil {
			t.Errorf("killed %v %v #%d: %v", when, step, n, err)
		}
	})
	return crashed
}

// TestRandomHistories kills, loses answers, keeps less than was sent and cuts
// the source, all at random; the seed is in the name.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomHistory(t, seed) })
		})
	}
}

func randomHistory(t *testing.T, seed uint64) {
	dice := newChance(seed)
	kind := []kind{pop3, nameless, imap}[dice.n(3)]
	policy := []Disposal{Leave, Delete, Seen, Move}[dice.n(4)]
	if kind != imap && (policy == Seen || policy == Move) {
		policy = Leave
	}
	w := newWorld(t, kind, load(dice.of(0.2))...)
	w.drop.lie = []int64{0, 0, -70_000, 70_000, 400_000}[dice.n(5)]
	w.gmail.lose = func() (bool, bool) { return dice.of(0.05), dice.of(0.05) }
	w.gmail.partial = func() bool { return dice.of(0.1) }
	w.drop.cut = func(mail.Ref) (int, bool) { return dice.n(700_000), dice.of(0.03) }
	next := 100
	for range 2 + dice.n(6) {
		l := &life{die: func(Step, When) bool { return dice.of(0.01) }}
		_, _ = w.live(t.Context(), l, policy)
		if dice.of(0.4) {
			w.drop.add(message(next, 1000))
			next++
		}
	}
	w.gmail.lose, w.gmail.partial, w.drop.cut = nil, nil, nil
	settleDown(t, w, policy)
	if err := w.verify(policy); err != nil {
		t.Errorf("%v, %v: %v", kind, policy, err)
	}
}

// TestAZombieDoesNoHarm freezes a process at each step, lets a successor take
// over and finish, and thaws it.
func TestAZombieDoesNoHarm(t *testing.T) {
	t.Parallel()
	for _, kind := range []kind{pop3, imap} {
		for _, policy := range []Disposal{Leave, Delete, Move} {
			if kind != imap && policy == Move {
				continue
			}
			for _, step := range Steps() {
				for _, when := range []When{Before, After} {
					t.Run(fmt.Sprint(kind, "/", policy, "/", when, " ", step), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { zombie(t, kind, policy, step, when) })
					})
				}
			}
		}
	}
}

func zombie(t *testing.T, kind kind, policy Disposal, step Step, when When) {
	w := newWorld(t, kind, load(step == StepCheckpoint)...)
	thaw := make(chan struct{})
	var passed atomic.Int64
	frozen := &life{die: func(s Step, wh When) bool {
		if s == step && wh == when && passed.Add(1) == 1 {
			<-thaw
		}
		return false
	}}
	ended := make(chan error)
	go func() {
		_, err := w.live(context.WithoutCancel(t.Context()), frozen, policy)
		ended <- err
	}()
	synctest.Wait() // it stands still, or has ended
	settleDown(t, w, policy)
	close(thaw)
	<-ended
	settleDown(t, w, policy)
	if err := w.verify(policy); err != nil {
		t.Error(err)
	}
}

// TestAnExpiredSessionWithUnknownOutcomeIsDoubtful: shown, never guessed, and
// never imported a second time.
func TestAnExpiredSessionWithUnknownOutcomeIsDoubtful(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 300))
		_, _ = w.live(t.Context(), &life{die: func(s Step, wh When) bool { return s == StepPut && wh == After }}, Delete)
		for _, u := range w.gmail.sessions {
			u.gone = true
		}
		for range 3 {
			rep, err := w.live(t.Context(), &life{}, Delete)
			if err != nil && !errors.Is(err, errDead) {
				t.Fatal(err)
			}
			if rep.Imported != 0 {
				t.Fatalf("imported again: %+v", rep)
			}
		}
		if len(w.drop.mails) != 1 {
			t.Error("a doubtful message was deleted at the source")
		}
		if lines := w.memory.Lines(w.box); len(lines) != 1 || lines[0].Status != mail.Doubtful {
			t.Errorf("audit: %+v, want one doubtful", lines)
		}
	})
}

// TestASessionThatExpiresBeforeTheLastOctetIsReplaced: its outcome is known.
func TestASessionThatExpiresBeforeTheLastOctetIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 300))
		expired := false
		l := &life{die: func(s Step, wh When) bool {
			if s == StepPut && wh == Before && !expired {
				expired = true
				for _, u := range w.gmail.sessions {
					u.gone = true
				}
			}
			return false
		}}
		rep, err := w.live(t.Context(), l, Leave)
		if err != nil || rep.Imported != 1 {
			t.Errorf("got %+v, %v", rep, err)
		}
		if err := w.verify(Leave); err != nil {
			t.Error(err)
		}
	})
}

// TestASessionThatExpiresAfterALostAnswerIsDoubtful: the last octet may have
// arrived, also when it was this very process that sent it.
func TestASessionThatExpiresAfterALostAnswerIsDoubtful(t *testing.T) {
	t.Parallel()
	for _, size := range []int{300, 600_000} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, imap, message(1, size))
			w.gmail.expireOnCommit = true
			rep, err := w.live(t.Context(), &life{}, Leave)
			if err != nil || rep.Doubtful != 1 || w.gmail.copies[message(1, size)] != 1 {
				t.Errorf("%d octets: got %+v, %v, %d copies; want one doubtful, one copy", size, rep, err, w.gmail.copies[message(1, size)])
			}
		})
	}
}
