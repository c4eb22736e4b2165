package actors

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// user owns what the mailboxes of one person share, and supervises those that
// work. It goes when it has had none for a while.
type user struct {
	*tree
	key     id.User
	seat    *seat
	kids    *nest[id.Mailbox]
	shots   map[string]shotPass // by the id of the actor's PID
	account *shared
	ended   bool // Google has ended the grant

	linger *time.Timer
	turn   uint64 // of lingering
}

// lingerers is how many users may stay loaded without work. With a million
// mailboxes more of them than that pass in half a minute.
const lingerers = 1024

func newUser(t *tree, key id.User, s *seat) *user {
	u := &user{tree: t, key: key, seat: s, account: &shared{tree: t, user: key}}
	u.kids = newNest(func(c actor.Context, box id.Mailbox, s *seat) *actor.PID {
		return c.Spawn(t.house.Props("mailbox", backoff, func() actor.Actor {
			return &mailbox{tree: t, user: key, key: box, seat: s}
		}))
	})
	return u
}

func (u *user) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		if u.seat.adopted {
			wish(c, u.key, u.seat) // what its predecessor had is gone
		}
		u.seat.adopted = true
	case work:
		u.seat.seen++
		u.busy()
		m.account = u.account
		if !u.kids.send(c, m.permit.Box, m) {
			u.refuse(c, m)
		}
	case oneShot:
		u.seat.seen++
		u.busy()
		u.shoot(c, m.pass)
	case changed:
		u.seat.seen++
		u.busy() // a wish to leave that was on its way is void
		u.account.replace()
		u.account, u.ended = &shared{tree: u.tree, user: u.key}, false
		c.Send(u.clock, wake{user: u.key, failing: true})
		u.idle(c)
	case revoked:
		u.revoked(c, m)
	case leave[id.Mailbox]:
		u.kids.leave(c, m)
	case lingered:
		if m.turn == u.turn && u.linger != nil {
			wish(c, u.key, u.seat)
		}
	case *actor.Terminated:
		u.childGone(c, m.Who)
	case *actor.Stopping, *actor.Restarting:
		u.busy()
		u.kids.shut = true
		u.account.retire()
	case actor.AutoReceiveMessage, actor.SystemMessage:
		// lifecycle we do not react to
	default:
		u.house.Log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
}

func (u *user) shoot(c actor.Context, p shotPass) {
	if u.kids.shut {
		p.reply(result{err: ErrDrained})
		return
	}
	pid := c.Spawn(u.house.Props("mailbox", backoff, func() actor.Actor {
		return &shot{tree: u.tree, user: u.key, pass: p}
	}))
	if u.shots == nil {
		u.shots = make(map[string]shotPass)
	}
	u.shots[pid.Id] = p
}

// childGone answers for a pass that was stopped without a result (one that has
// a result answers by itself, before it stops: what it would tell us could
// arrive after the news of its end), and says what becomes of a mailbox that
// gave up.
func (u *user) childGone(c actor.Context, who *actor.PID) {
	if p, ok := u.shots[who.Id]; ok {
		p.reply(result{err: ErrGaveUp})
		delete(u.shots, who.Id)
	} else if box, gaveUp := u.kids.gone(c, who); gaveUp {
		u.giveUp(u.key, box)
	}
	u.idle(c)
}

// idle starts the wait for more work, or leaves where too many do.
func (u *user) idle(c actor.Context) {
	if u.kids.shut || !u.kids.empty() || len(u.shots) > 0 || u.linger != nil {
		return
	}
	u.turn++
	after := u.opts.Limits.Linger
	if u.lingering.Add(1) > lingerers {
		after = rand.N(time.Second)
	}
	self, turn := c.Self(), u.turn
	u.linger = time.AfterFunc(after, func() { u.tell(self, lingered{turn}) })
}

func (u *user) busy() {
	if u.linger != nil {
		u.linger.Stop()
		u.linger = nil
		u.lingering.Add(-1)
	}
}

// revoked ends all of the user's passes, has what came from Google destroyed
// and lets every other mailbox find out by itself: its pass ends as it opens the
// account, and its state says why.
//
// A pass that began before its user connected Google again tells of the grant
// before. That says nothing about the new one.
func (u *user) revoked(c actor.Context, m revoked) {
	if m.account != u.account {
		c.Send(u.clock, wake{user: u.key, failing: true})
		return
	}
	if u.ended {
		return
	}
	f := m.fault
	u.ended = true
	u.account.end(f)
	mine := func(p *piece) bool { return p.user == u.key && p.kind != aTask }
	u.tracker.cancel(mine, f)
	key, account := u.key, u.account
	if m.opened == nil {
		u.tell(u.clock, wake{user: key})
		return
	}
	u.task(func(ctx context.Context) {
		if u.tracker.wait(ctx, mine) != nil {
			return
		}
		for pause := time.Second; !account.isReplaced(); pause = min(2*pause, time.Minute) {
			err := m.opened.Revoked(ctx)
			if err == nil {
				break
			}
			u.opts.Log.Error("revoked user's data not destroyed", "user", key, "err", err)
			select {
			case <-time.After(pause/2 + rand.N(pause/2)):
			case <-ctx.Done():
				return // the next pass is told again that the grant is gone
			}
		}
		u.tell(u.clock, wake{user: key})
	})
}
