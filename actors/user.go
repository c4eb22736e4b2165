package actors

import (
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/kit"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// user owns the mailboxes of one user that are being synced. A second pass
// asked for while one runs waits behind it.
type user struct {
	log      *slog.Logger
	running  map[id.Mailbox]*child
	waiting  []pass
	draining bool
}

type child struct {
	pid  *actor.PID
	pass pass
}

func newUser(log *slog.Logger) *user {
	return &user{log: log, running: make(map[id.Mailbox]*child)}
}

func (u *user) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case syncUser:
		u.begin(c, m.pass)
	case drain:
		u.draining = true
		for _, p := range u.waiting {
			p.reply(result{err: ErrDrained})
		}
		u.waiting = nil
		for _, k := range u.running {
			c.Send(k.pid, m)
		}
		u.stopIfEmpty(c)
	case *actor.Terminated:
		u.childGone(c, m.Who)
	case actor.AutoReceiveMessage, actor.SystemMessage:
		// lifecycle we do not react to
	default:
		u.log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
}

func (u *user) begin(c actor.Context, p pass) {
	switch {
	case u.draining:
		p.reply(result{err: ErrDrained})
	case u.running[p.box] != nil:
		u.waiting = append(u.waiting, p)
	default:
		pid := c.Spawn(kit.Props(u.log, backoff, func() actor.Actor { return &mailbox{log: u.log, pass: p} }))
		u.running[p.box] = &child{pid: pid, pass: p}
	}
}

// childGone answers for a mailbox that was stopped without a result (one that
// has a result answers by itself, before it stops: what it would tell us could
// come later than its end), and starts the next pass that waits.
func (u *user) childGone(c actor.Context, who *actor.PID) {
	for box, k := range u.running {
		if !k.pid.Equal(who) {
			continue
		}
		k.pass.reply(result{err: ErrGaveUp})
		delete(u.running, box)
		for i, p := range u.waiting {
			if p.box == box {
				u.waiting = append(u.waiting[:i], u.waiting[i+1:]...)
				u.begin(c, p)
				break
			}
		}
	}
	u.stopIfEmpty(c)
}

func (u *user) stopIfEmpty(c actor.Context) {
	if u.draining && len(u.running) == 0 {
		c.Stop(c.Self())
	}
}
