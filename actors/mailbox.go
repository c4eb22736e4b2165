package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/kit"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// mailbox runs one pass on a worker of its own and leaves when it has ended, or
// stays for as long as a connection waits for push.
type mailbox struct {
	*tree
	user id.User
	key  id.Mailbox
	seat *seat

	pass   kit.Worker
	wait   kit.Worker
	waiter *waiter
	news   time.Time // when the server announced mail; zero: it has not
	vain   int       // announcements in a row that brought nothing
	pause  *time.Timer
	retry  *time.Timer
}

// retryTime is how long a mailbox that has panicked waits for its next permit
// before it goes and leaves it to the wheel.
const retryTime = 10 * time.Minute

func (b *mailbox) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		b.started(c)
	case work:
		b.seat.seen++
		b.begin(c, m)
	case kit.Done:
		b.done(c, m)
	case noticed:
		b.noticed(c, m)
	case lingered:
		if !b.pass.Running() && !b.wait.Running() {
			wish(c, b.key, b.seat)
		}
	case *actor.Stopping, *actor.Restarting:
		// A backstop: the ordinary way is the tracker's.
		b.pass.Cancel(errRestarted)
		b.wait.Cancel(errRestarted)
		for _, t := range []*time.Timer{b.retry, b.pause} {
			if t != nil {
				t.Stop()
			}
		}
	case actor.AutoReceiveMessage, actor.SystemMessage:
		// lifecycle we do not react to
	default:
		b.house.Log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
}

func (b *mailbox) started(c actor.Context) {
	if b.seat.retry {
		b.seat.retry = false
		c.Send(b.clock, again{b.key})
		self := c.Self()
		b.retry = time.AfterFunc(retryTime, func() { b.tell(self, lingered{}) })
	} else if b.seat.adopted {
		wish(c, b.key, b.seat)
	}
	b.seat.adopted = true
}

func (b *mailbox) begin(c actor.Context, m work) {
	if b.pass.Running() {
		b.refuse(c, m)
		return
	}
	t, waiter, news := b.tree, b.waiter, b.news
	b.news = time.Time{}
	b.pass.Start(b.ctx, c, func(ctx context.Context) any { return t.run(ctx, m, waiter, news) })
}

func (b *mailbox) done(c actor.Context, d kit.Done) {
	switch {
	case b.pass.Took(d):
		b.wait.Cancel(errLooked) // if the pass did not take its connection
		if d.Panicked {
			b.opts.Metrics.ActorPanics("worker")
			b.seat.retry = true
			panic(kit.ErrPanicked) // the user decides: again, or no more
		}
		r := d.Result.(passed)
		if b.vain++; r.brought {
			b.vain = 0
		}
		if r.revoked != nil {
			c.Send(c.Parent(), revoked{r.revoked, r.account, r.opened})
		}
		if r.parked != nil {
			b.park(c, r.parked)
			return
		}
	case b.wait.Took(d):
		b.waiter = nil
	default:
		return // of an earlier incarnation
	}
	if !b.pass.Running() && !b.wait.Running() {
		wish(c, b.key, b.seat)
	}
}

// noticed passes on what the server has announced: at once, unless it has
// announced something again and again that was nothing. The connection keeps.
func (b *mailbox) noticed(c actor.Context, m noticed) {
	if m.waiter != b.waiter {
		return // a pass has been faster
	}
	if !m.waited {
		b.news = time.Now()
		if b.news.Sub(m.waiter.piece.begun) >= unhurried {
			b.vain = 0
		}
		if d := calmed(b.vain); d > 0 {
			self := c.Self()
			b.pause = time.AfterFunc(d, func() { b.tell(self, noticed{m.waiter, true}) })
			return
		}
	}
	c.Send(b.clock, announced{b.key})
}

const (
	vainFree  = 4 // a rule, or a person with another program, takes mail away at times
	vainMost  = time.Minute
	unhurried = 10 * time.Second // after so long an announcement, or a look, is welcome
)

// calmed is how long an announcement waits after so many passes in vain.
func calmed(vain int) time.Duration {
	if vain <= vainFree {
		return 0
	}
	return min(time.Second<<min(vain-vainFree-1, 10), vainMost)
}

// park waits for push on a fresh goroutine, which keeps nothing of the pass.
func (b *mailbox) park(c actor.Context, p Parked) {
	if b.wait.Running() { // the one before is still closing its connection
		b.task(func(context.Context) { p.Close() })
		c.Send(b.clock, unparked{box: b.key})
		return
	}
	w := newWaiter(b.user, b.key, p)
	b.waiter = w
	t, self := b.tree, c.Self()
	b.wait.StartWith(b.ctx, w.piece.cancel, c, func(context.Context) any {
		t.waitForPush(w, p, self)
		return nil
	})
}
