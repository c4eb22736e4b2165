package notify

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	// GiveUp is how long a notice is tried: who reads it later has seen the pages.
	GiveUp = 3 * day
	// sendTime is how long one try may take.
	sendTime = 20 * time.Second
	longest  = time.Hour // between two tries
)

// WantsOf is what a user wants to hear of: who chose nothing, of everything.
func WantsOf(p account.Profile) Wants {
	w := Wants{Failing: true, Digest: true, SignIn: true}
	_ = json.Unmarshal(p.Notices, &w) // the server's, or none
	return w
}

func zoneOf(p account.Profile) *time.Location {
	zone, err := time.LoadLocation(p.TimeZone) // "": UTC
	if err != nil || p.TimeZone == "Local" {
		return time.UTC
	}
	return zone
}

// deliver sends what is in the outbox, and notes after each letter how far that
// is. again is when to try the rest.
func (f *Office) deliver(ctx context.Context, user id.User, m Memory, facts facts) (again time.Time, err error) {
	told := map[id.Mailbox]bool{} // boxes whose opening was dropped, being over before it could be told
	for _, n := range m.Outbox {
		if n.Due.After(time.Now()) {
			again = earlier(again, n.Due)
			continue
		}
		l, ok, err := f.write(user, n, m, facts)
		if err != nil {
			return again, err
		}
		stale := n.Kind == Recovered && slices.ContainsFunc(n.Boxes, func(a About) bool { return told[a.Mailbox] })
		if !ok || stale || time.Since(n.Made) > GiveUp {
			if time.Since(n.Made) > GiveUp {
				f.o.Log.Error("a notice could not be delivered, and is no longer tried", "user", user, "code", string(n.Kind))
			}
			if n.Kind == Failing {
				for _, a := range n.Boxes {
					told[a.Mailbox] = true
				}
			}
			if err := f.drop(ctx, user, n); err != nil {
				return again, err
			}
			continue
		}
		l.To = facts.email
		sent, err := f.send(ctx, l, n, m.Blocked != "")
		if err != nil {
			return again, err
		}
		if err := f.note(ctx, user, n, sent); err != nil {
			return again, err
		}
		again = earlier(again, sent.again)
	}
	return again, nil
}

// write renders a notice with what is true now.
func (f *Office) write(user id.User, n Notice, m Memory, facts facts) (Letter, bool, error) {
	v := view{site: f.o.Site, zone: facts.Zone, boxes: map[id.Mailbox]named{}}
	for _, b := range facts.Boxes {
		v.boxes[b.ID] = named{b, facts.boxes[b.ID], m.Incidents[b.ID]}
	}
	for _, s := range facts.Sessions {
		if n.Kind == SignIn && s.ID == n.About {
			v.session = s
		}
	}
	l, ok, err := render(n, v)
	l.User = user
	if n.Kind == Digest {
		l.Unsubscribe = f.o.Site + "/notices/digest/" + f.links.token(user)
	}
	return l, ok, err
}

// result is how far a notice is.
type result struct {
	done    []string  // Notifiers that have taken it, or never will
	again   time.Time // when to try the others; zero: there are none
	mailed  bool      // it has reached its user by mail, or there is no way to
	refused bool      // his address takes no mail
}

// send gives a letter to every Notifier that has not taken it.
func (f *Office) send(ctx context.Context, l Letter, n Notice, blocked bool) (r result, err error) {
	r.done = slices.Clone(n.Done)
	for _, way := range f.o.Notifiers {
		if slices.Contains(r.done, way.Name()) {
			continue
		}
		if way.Mails() && (blocked || l.To == "") {
			r.done, r.mailed = append(r.done, way.Name()), true
			continue
		}
		if hold := f.hold[way.Name()]; hold.After(time.Now()) {
			r.again = earlier(r.again, hold)
			continue
		}
		limited, cancel := context.WithTimeout(ctx, sendTime)
		err := way.Send(limited, l)
		cancel()
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		fault, _ := mail.AsFault(err)
		switch {
		case err == nil:
			r.done, r.mailed = append(r.done, way.Name()), r.mailed || way.Mails()
		case fault != nil && fault.Class == mail.Refused:
			f.o.Log.Warn("a user's address takes no notices", "user", l.User, "status", way.Name())
			r.done, r.mailed, r.refused = append(r.done, way.Name()), true, true
		default:
			f.o.Log.Warn("a notice is sent again later", "user", l.User, "code", string(l.Kind), "status", way.Name(), "err", err)
			at := time.Now().Add(min(time.Minute<<min(n.Tries, 10), longest))
			if fault != nil && fault.Until.After(at) {
				at = fault.Until
			}
			// It would be the same for the next user.
			f.hold[way.Name()] = time.Now().Add(time.Minute)
			r.again = earlier(r.again, at)
		}
	}
	return r, nil
}

// note keeps how far a notice is.
func (f *Office) note(ctx context.Context, user id.User, n Notice, r result) error {
	return f.change(ctx, user, func(m *Memory) {
		if r.refused && m.Blocked == "" {
			m.Blocked, m.BlockAt = "bounce", time.Now()
		}
		if n.Kind == Inactive && r.mailed && m.Warned.IsZero() && !m.Inactive.IsZero() {
			m.Warned = time.Now()
		}
		i := slices.IndexFunc(m.Outbox, func(o Notice) bool { return o.ID == n.ID })
		if i < 0 {
			return
		}
		if r.again.IsZero() {
			m.Outbox = slices.Delete(m.Outbox, i, i+1)
			return
		}
		m.Outbox[i].Done, m.Outbox[i].Due = r.done, r.again
		m.Outbox[i].Tries++
	})
}

func (f *Office) drop(ctx context.Context, user id.User, n Notice) error {
	return f.change(ctx, user, func(m *Memory) {
		m.Outbox = slices.DeleteFunc(m.Outbox, func(o Notice) bool { return o.ID == n.ID })
	})
}

// change finishes what was begun: a letter that is out must be noted.
func (f *Office) change(ctx context.Context, user id.User, change func(*Memory)) error {
	return f.o.Store.Notices(context.WithoutCancel(ctx), user, change)
}
