package imap

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// The times of waiting. Push may die silently (Exchange Online), and servers
// and address translators forget connections after ten minutes (GMX).
const (
	againTime = 9 * time.Minute // to the next IDLE, give or take spread
	spread    = time.Minute
	lookTime  = 15 * time.Minute // to a look at the mailbox, up to twice that
	doneTime  = 30 * time.Second // for a server to answer IDLE, and DONE
)

// Parked is a connection on which a server tells of new mail (IDLE, RFC 2177).
// It holds no credential. Close may be called by any goroutine; everything
// else belongs to one.
type Parked struct {
	look time.Duration

	mu   sync.Mutex
	talk *talk // nil: given back or closed
}

// Park takes the connection that a Source has left and lets the server tell of
// new mail in the first folder. What came since that folder was listed counts
// as new. It gives nil, nil where there is nothing to wait on: nothing was
// kept, nothing was listed, or the server has no IDLE.
func (d *Dialer) Park(ctx context.Context) (*Parked, error) {
	d.mu.Lock()
	r, shown := d.kept, d.shown
	d.kept, d.shown = nil, snapshot{}
	d.mu.Unlock()
	if r == nil {
		return nil, nil
	}
	if !r.can.all(idle) || shown.folder == "" {
		r.logout()
		return nil, nil
	}
	p := &Parked{talk: newTalk(r), look: d.cfg.Look}
	if p.look == 0 {
		p.look = lookTime + rand.N(lookTime)
	}
	defer context.AfterFunc(ctx, r.close)()
	if err := p.talk.settle(d.cfg, shown); err != nil {
		r.close()
		if ctx.Err() != nil {
			return nil, cancelled(ctx)
		}
		if refused, ok := errors.AsType[*refusal](err); ok && refused.status == "BAD" {
			return nil, nil // it has IDLE only in name
		}
		return nil, p.talk.explain(err, "tell of new mail")
	}
	return p, nil
}

// settle selects the folder, compares it with what was listed, and begins to
// wait unless there is something to do already. IDLE follows SELECT directly:
// with anything between the two free.fr pushes nothing.
func (t *talk) settle(cfg Config, shown snapshot) error {
	slim(t.conn)
	verb := "SELECT "
	if cfg.ReadOnly {
		verb = "EXAMINE "
	}
	if err := t.command(verb+folderName(shown.folder, t.can), answerTime); err != nil {
		return err
	}
	t.news = t.validity != shown.validity || t.next != shown.next || t.next == 0 && t.exists != shown.exists
	if t.news {
		return nil
	}
	return t.idle()
}

// idle begins to wait.
func (t *talk) idle() error {
	if err := t.begin("IDLE"); err != nil {
		return err
	}
	if err := t.answer(doneTime, "+"); err != nil {
		return err
	}
	t.idling = true
	return nil
}

// done ends IDLE.
func (t *talk) done() error {
	if !t.idling {
		return nil
	}
	t.idling = false
	if err := t.send("DONE"); err != nil {
		return err
	}
	return t.answer(doneTime, "")
}

// Wait returns nil when there may be new mail, at the latest when it is time
// for a look; the Parked is then for Resume. Any other end is an error, and
// the connection is closed. Call it on a goroutine of its own: the stack of one
// that has done much stays large.
func (p *Parked) Wait(ctx context.Context) error {
	t := p.peek()
	if t == nil {
		return errClosed
	}
	stop := func() bool { return true }
	if ctx.Done() != nil { // or it would cost half a kilobyte for as long as it waits
		stop = context.AfterFunc(ctx, t.close)
	}
	err := t.wait(time.Now().Add(p.look))
	if stop() && err == nil {
		return nil
	}
	closed := p.take() == nil
	t.close()
	switch {
	case ctx.Err() != nil:
		return cancelled(ctx)
	case closed:
		return errClosed
	}
	return t.explain(err, "tell of new mail")
}

// wait ends with nil, and IDLE with it, when there are news or it is time.
func (t *talk) wait(look time.Time) error {
	for !t.news {
		again := time.Now().Add(againTime - spread + rand.N(2*spread))
		if look.Before(again) {
			again = look
		}
		_ = t.conn.SetReadDeadline(again)
		for !t.news {
			line, err := t.line()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			if err := t.hear(line); err != nil {
				return err
			}
		}
		if t.news || again == look {
			break
		}
		if err := t.done(); err != nil || t.news {
			return err
		}
		if err := t.idle(); err != nil {
			return err
		}
	}
	return t.done()
}

// Close ends the connection, and a Wait with it.
func (p *Parked) Close() {
	if t := p.take(); t != nil {
		t.close()
	}
}

func (p *Parked) peek() *talk {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.talk
}

func (p *Parked) take() *talk {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.talk
	p.talk = nil
	return t
}

// Resume gives the connection of a Parked whose Wait returned nil to the next
// Open, which then needs no login. The Dialer may be another than the one that
// parked it, of the same mailbox; if it is of another one the connection is
// closed and Open logs in.
func (d *Dialer) Resume(p *Parked) {
	t := p.take()
	if t == nil {
		return
	}
	if t.idling || t.halfway() { // nobody has waited, or go-imap would begin within a line
		t.close()
		return
	}
	_ = t.conn.SetReadDeadline(time.Time{})
	t.since = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next != nil {
		d.next.close()
	}
	d.next = t.resting
}
