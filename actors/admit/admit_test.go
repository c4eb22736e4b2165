package admit

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// bench is a desk with a clock of its own.
type bench struct {
	*Desk
	now   time.Time
	out   []Permit
	given int
}

func newBench(l Limits) *bench {
	return &bench{Desk: New(l, nil), now: time.Unix(1_800_000_000, 0)}
}

var wide = Limits{Sessions: 1000, PerUser: 1000, PerLane: 1000, Logins: -1}

func (b *bench) want(user id.User, lane uint64, p Priority) id.Mailbox {
	box := id.New[id.Mailbox]()
	b.Want(b.now, Want{User: user, Box: box, Lane: lane, Priority: p})
	return box
}

// pump gives what is given now.
func (b *bench) pump() (got []Permit) {
	b.Pump(b.now, func(p Permit) { got = append(got, p) })
	b.out = append(b.out, got...)
	b.given += len(got)
	return got
}

func (b *bench) release(p Permit, e Ended) { b.Release(b.now, p, e) }

func (b *bench) pass(d time.Duration) { b.now = b.now.Add(d) }

func users(n int) (all []id.User) {
	for range n {
		all = append(all, id.New[id.User]())
	}
	return all
}

func TestLimitsHold(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		limits Limits
		users  int
		want   int
	}{
		"sessions":    {Limits{Sessions: 7, PerUser: 99, PerLane: 99, Logins: -1}, 20, 7},
		"user":        {Limits{Sessions: 99, PerUser: 3, PerLane: 99, Logins: -1}, 1, 3},
		"lane":        {Limits{Sessions: 99, PerUser: 99, PerLane: 5, Logins: -1}, 20, 5},
		"logins":      {Limits{Sessions: 99, PerUser: 99, PerLane: 99, Logins: 2}, 20, 6}, // three seconds' worth
		"logins slow": {Limits{Sessions: 99, PerUser: 99, PerLane: 99, Logins: 0.1}, 20, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(row.limits)
			who := users(row.users)
			for i := range 20 {
				b.want(who[i%len(who)], 1, Polled)
			}
			if got := b.pump(); len(got) != row.want {
				t.Errorf("%d permits, want %d", len(got), row.want)
			}
		})
	}
}

func TestLoginsAreRefilled(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{Sessions: 999, PerUser: 99, PerLane: 999, Logins: 3})
	for _, u := range users(100) {
		b.want(u, 1, Polled)
	}
	b.pump()
	for range 10 {
		at, ok := b.Next()
		if !ok || at.Sub(b.now) > time.Second {
			t.Fatalf("next %v, %v", at.Sub(b.now), ok)
		}
		b.now = at
		b.pump()
	}
	b.pass(10 * time.Second)
	b.pump()
	if b.given < 9+10+9 || b.given > 9+3*14 {
		t.Errorf("%d logins in 13 s at three a second", b.given)
	}
}

func TestUsersAndLanesTakeTurns(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{Sessions: 1, PerUser: 99, PerLane: 99, Logins: -1})
	who := users(3)
	for range 50 { // the first has fifty mailboxes on one lane, the others two on it and another
		b.want(who[0], 1, Polled)
	}
	for range 2 {
		b.want(who[1], 1, Polled)
		b.want(who[2], 2, Polled)
	}
	count := make(map[id.User]int)
	for range 8 {
		for _, p := range b.pump() {
			count[p.User]++
			b.release(p, Ended{Result: Reached})
		}
	}
	if count[who[1]] != 2 || count[who[2]] != 2 {
		t.Errorf("of the first 8: %d, %d, %d", count[who[0]], count[who[1]], count[who[2]])
	}
}

func TestWhoIsAskedForGoesFirstAndPollsDoNotStarve(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{Sessions: 1, PerUser: 99, PerLane: 99, Logins: -1})
	who := users(2)
	for range 200 {
		b.want(who[0], 1, Polled)
	}
	for range 400 {
		b.want(who[1], 1, Announced)
	}
	asked := b.want(who[0], 1, Asked)
	var announced, polled, before int
	for range 400 {
		p := b.pump()[0]
		switch p.Prio {
		case Asked:
			before = announced
		case Announced:
			announced++
		case Polled:
			polled++
		}
		if p.Prio == Asked && p.Box != asked {
			t.Fatal("another mailbox was asked for")
		}
		b.release(p, Ended{})
	}
	if before > 0 || polled < 50 || polled > 150 {
		t.Errorf("%d announced went before who was asked for; %d of 400 were polls", before, polled)
	}
}

// What a full lane has to give comes with each release, and each pump that
// follows finds one and then no more: such a rhythm must not give the same
// priority each turn.
func TestPollsOfAFullLaneDoNotStarve(t *testing.T) {
	t.Parallel()
	for idle := range 4 { // pumps beside that find nothing
		b := newBench(Limits{Sessions: 99, PerUser: 9, PerLane: 1, Logins: -1})
		who := users(2)
		for range 200 {
			b.want(who[0], 1, Polled)
		}
		polled := 0
		for range 200 {
			b.want(who[1], 1, Asked)
			p := b.pump()[0]
			for range idle {
				b.pump()
			}
			if p.Prio == Polled {
				polled++
			}
			b.release(p, Ended{Result: Reached})
		}
		if polled < 15 {
			t.Errorf("%d pumps beside: %d of 200 were polls", idle, polled)
		}
	}
}

func TestAWantMovesAheadAndIsGivenOnce(t *testing.T) {
	t.Parallel()
	b := newBench(wide)
	b.limits.Sessions = 0
	u := users(1)[0]
	for range 10 {
		b.want(u, 1, Polled)
	}
	box := b.want(u, 1, Polled)
	for _, p := range []Priority{Asked, Polled, Asked} {
		b.Want(b.now, Want{User: u, Box: box, Lane: 1, Priority: p})
	}
	gone := b.want(u, 1, Polled)
	b.Drop(gone)
	b.limits.Sessions = 1000
	got := b.pump()
	if len(got) != 11 {
		t.Errorf("%d permits, want 11", len(got))
	}
	for _, p := range got {
		if (p.Box == box) != (p.Prio == Asked) {
			t.Errorf("a mailbox that was moved ahead: %v, has a permit of priority %d", p.Box == box, p.Prio)
		}
		b.release(p, Ended{})
	}
	b.pass(time.Hour)
	b.Sweep(b.now, nil)
	if lanes, users := b.Size(); lanes+users+b.Waiting()+b.Running() != 0 {
		t.Errorf("%d lanes, %d users, %d waiting, %d running are left", lanes, users, b.Waiting(), b.Running())
	}
}

func TestTheBreakerOpensForSeveralUsersFailuresOnly(t *testing.T) {
	t.Parallel()
	who := users(5)
	for name, row := range map[string]struct {
		fail func(b *bench)
		open bool
	}{
		"one user": {func(b *bench) {
			for range 50 {
				b.fail(who[0], Missed)
			}
		}, false},
		"two users": {func(b *bench) {
			for i := range 5 {
				b.fail(who[i%2], Missed)
			}
		}, true},
		"four failures": {func(b *bench) {
			for i := range 4 {
				b.fail(who[i], Missed)
			}
		}, false},
		"slowly": {func(b *bench) {
			for i := range 20 {
				b.fail(who[i%5], Missed)
				b.pass(10 * time.Second)
			}
		}, false},
		"refused logins": {func(b *bench) {
			for i := range 20 {
				b.fail(who[i%5], Reached)
			}
		}, false},
		"with a success between": {func(b *bench) {
			for i := range 20 {
				b.fail(who[i%5], []Result{Missed, Missed, Missed, Missed, Reached}[i%5])
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(wide)
			row.fail(b)
			if open := b.Open() == 1; open != row.open {
				t.Errorf("open: %v, want %v", open, row.open)
			}
			b.want(who[4], 1, Polled)
			b.want(who[4], 2, Polled)
			if got := len(b.pump()); got != 2-b.Open() {
				t.Errorf("%d of 2 lanes admit", got)
			}
		})
	}
}

// fail runs one pass that ends so.
func (b *bench) fail(u id.User, r Result) {
	b.want(u, 1, Polled)
	for _, p := range b.pump() {
		b.release(p, Ended{Result: r})
	}
}

func TestAnOpenBreakerLetsOneProbeThroughEveryHalfMinute(t *testing.T) {
	t.Parallel()
	b := newBench(wide)
	for _, u := range users(5) {
		b.fail(u, Missed)
	}
	for _, u := range users(100) {
		b.want(u, 1, Polled)
	}
	probes := 0
	for start := b.now; b.now.Sub(start) < 10*time.Minute; b.pass(time.Second) {
		got := b.pump()
		probes += len(got)
		for _, p := range got {
			if !p.Probe || len(got) > 1 {
				t.Fatalf("%d at once, probe %v", len(got), p.Probe)
			}
			b.release(p, Ended{Result: Missed})
		}
	}
	if probes < 600/37 || probes > 600/23 {
		t.Errorf("%d probes in ten minutes", probes)
	}
	b.pass(time.Minute)
	p := b.pump()[0]
	if len(b.pump()) != 0 {
		t.Error("a second one beside the probe")
	}
	b.release(p, Ended{Result: Reached})
	if got := len(b.pump()); b.Open() != 0 || got < 50 {
		t.Errorf("after the probe came through: %d go, %d open", got, b.Open())
	}
}

// Its mailboxes may have been deleted.
func TestALaneThatNobodyProbesIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(wide)
	told := time.Unix(1, 0)
	b.Tell(func(_ uint64, until time.Time) { told = until })
	for _, u := range users(breakAfter) {
		b.want(u, 1, Polled)
	}
	for _, p := range b.pump() {
		b.release(p, Ended{Result: Missed})
	}
	b.pass(openKept)
	b.Sweep(b.now, func(Permit) {})
	if lanes, _ := b.Size(); lanes != 1 || b.Open() != 1 || told.IsZero() {
		t.Fatalf("%d lanes, %d left alone, want 1", lanes, b.Open())
	}
	b.pass(time.Minute)
	b.Sweep(b.now, func(Permit) {})
	if lanes, _ := b.Size(); lanes != 0 || b.Open() != 0 || !told.IsZero() {
		t.Errorf("%d lanes, %d left alone, until %v", lanes, b.Open(), told)
	}
}

func TestACutProbeIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	b := newBench(wide)
	for _, u := range users(5) {
		b.fail(u, Missed)
	}
	who := users(2)
	b.want(who[0], 1, Polled)
	b.want(who[1], 1, Polled)
	b.pass(time.Minute)
	p := b.pump()
	b.release(p[0], Ended{Result: Nothing})
	if again := b.pump(); len(again) != 1 || !again[0].Probe {
		t.Errorf("%d", len(again))
	}
}

func TestALaneSlowsDownAndCreepsBack(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{Sessions: 999, PerUser: 999, PerLane: 32, Logins: -1})
	who := users(40)
	fill := func() int {
		for _, u := range who {
			b.want(u, 1, Polled)
		}
		got := b.pump()
		for _, p := range got {
			b.release(p, Ended{Result: Reached})
		}
		for _, l := range b.lanes { // empty it
			for box := range b.queued {
				b.Drop(box)
			}
			_ = l
		}
		b.pump()
		return len(got)
	}
	if n := fill(); n != 32 {
		t.Fatalf("%d at once", n)
	}
	for range 5 { // the same user counts once
		b.fail(who[0], Slower)
	}
	if n := fill(); n != 16 {
		t.Errorf("%d at once after one refusal, want 16", n)
	}
	b.fail(who[1], Slower)
	if n := fill(); n != 8 {
		t.Errorf("%d at once after two, want 8", n)
	}
	b.pass(150 * time.Minute) // + 0.25
	if n := fill(); n != 16 {
		t.Errorf("%d at once 2½ hours later, want 16", n)
	}
	b.pass(6 * time.Hour)
	if n := fill(); n != 32 {
		t.Errorf("%d at once in the end", n)
	}
}

func TestAHeldConnectionNeedsNoLane(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{Sessions: 99, PerUser: 99, PerLane: 1, Logins: 0.001})
	who := users(3)
	b.want(who[0], 1, Polled)
	b.pump()
	b.Want(b.now, Want{User: who[1], Box: id.New[id.Mailbox](), Lane: 1, Priority: Announced, Held: true})
	got := b.pump()
	if len(got) != 1 || got[0].Conns != 0 || got[0].Connections() != 1 {
		t.Fatalf("%+v", got)
	}
	b.release(got[0], Ended{Result: Missed})
	if lanes, _ := b.Size(); lanes != 1 {
		t.Errorf("%d lanes", lanes)
	}
}

func TestASecondConnectionIsGivenWhileThereIsRoom(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{Sessions: 99, PerUser: 99, PerLane: 12, Logins: -1})
	for _, u := range users(20) {
		b.Want(b.now, Want{User: u, Box: id.New[id.Mailbox](), Lane: 1, Priority: Polled, Two: true})
	}
	conns, two := 0, 0
	for _, p := range b.pump() {
		conns += p.Conns
		two += p.Conns - 1
	}
	if conns != 12 || two != 3 {
		t.Errorf("%d connections, %d of them second", conns, two)
	}
}

func TestAPermitThatNobodyUsesComesBack(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{Sessions: 2, PerUser: 9, PerLane: 9, Logins: -1})
	who := users(3)
	for _, u := range who {
		b.want(u, 1, Polled)
	}
	got := b.pump()
	b.Began(b.now, got[0])
	b.pass(offerTime)
	var lost []Permit
	b.Sweep(b.now, func(p Permit) { lost = append(lost, p) })
	if len(lost) != 1 || lost[0].ID != got[1].ID || len(b.pump()) != 1 {
		t.Errorf("lost %v", lost)
	}
	b.Began(b.now, got[1]) // late: it counts again
	if b.Running() != 3 || !b.Out(got[1].User, got[1].Box) {
		t.Errorf("%d running", b.Running())
	}
	b.release(got[1], Ended{})
	b.release(got[1], Ended{})
	if b.Running() != 2 {
		t.Errorf("%d running after it came back twice", b.Running())
	}
}

func TestAFullQueuePostponesPollsOnly(t *testing.T) {
	t.Parallel()
	b := newBench(wide)
	b.limits.Sessions = 0
	u := users(1)[0]
	for range lineCap {
		b.want(u, 1, Polled)
	}
	if b.Want(b.now, Want{User: u, Box: id.New[id.Mailbox](), Lane: 1, Priority: Polled}) {
		t.Error("a poll was queued beyond the bound")
	}
	if !b.Want(b.now, Want{User: u, Box: id.New[id.Mailbox](), Lane: 1, Priority: Asked}) {
		t.Error("a person was turned away")
	}
}

// Any sequence of calls keeps the limits and loses nobody.
func TestAnythingGoesAndNothingIsLost(t *testing.T) {
	t.Parallel()
	for range 50 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		l := Limits{Sessions: 1 + r.IntN(10), PerUser: 1 + r.IntN(3), PerLane: 1 + r.IntN(6), Logins: []float64{-1, 0.5, 3}[r.IntN(3)]}
		b := newBench(l)
		who := users(6)
		want := make(map[id.Mailbox]bool)
		var out []Permit
		take := func() {
			got := b.pump()
			for _, p := range got {
				if !want[p.Box] {
					t.Fatalf("seed %d: given without a want", seed)
				}
				delete(want, p.Box)
			}
			out = append(out, got...)
			perUser, perLane := make(map[id.User]int), make(map[uint64]int)
			for _, p := range out {
				perUser[p.User]++
				perLane[p.Lane] += p.Conns
			}
			for _, n := range perUser {
				if n > l.PerUser {
					t.Fatalf("seed %d: %d of one user", seed, n)
				}
			}
			for lane, n := range perLane {
				if lane != 0 && n > l.PerLane {
					t.Fatalf("seed %d: %d on one lane", seed, n)
				}
			}
			if len(out) > l.Sessions {
				t.Fatalf("seed %d: %d at once", seed, len(out))
			}
		}
		for range 2000 {
			switch r.IntN(6) {
			case 0, 1:
				w := Want{User: who[r.IntN(6)], Box: id.New[id.Mailbox](), Lane: uint64(1 + r.IntN(4)), Priority: Priority(r.IntN(3)), Two: r.IntN(2) == 0, Held: r.IntN(8) == 0}
				if b.Want(b.now, w) {
					want[w.Box] = true
				}
			case 2, 3:
				if len(out) > 0 {
					i := r.IntN(len(out))
					b.release(out[i], Ended{Result: Result(r.IntN(4)), Unused: r.IntN(5) == 0})
					out = append(out[:i], out[i+1:]...)
				}
			case 4:
				b.pass(time.Duration(r.IntN(20_000)) * time.Millisecond)
			case 5:
				for box := range want {
					if r.IntN(4) == 0 {
						b.Drop(box)
						delete(want, box)
					}
					break
				}
			}
			take()
		}
		for i := 0; len(want)+len(out) > 0; i++ {
			if i > 100_000 {
				t.Fatalf("seed %d: %d are never given", seed, len(want))
			}
			for _, p := range out {
				b.release(p, Ended{Result: Reached})
			}
			out = nil
			b.pass(time.Second)
			take()
		}
		b.pass(12 * time.Hour)
		b.pump()
		b.Sweep(b.now, func(Permit) {})
		if lanes, users := b.Size(); lanes+users != 0 {
			t.Errorf("seed %d: %d lanes and %d users are remembered", seed, lanes, users)
		}
	}
}
