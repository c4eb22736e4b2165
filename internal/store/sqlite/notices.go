package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

// Notices changes what a user was told, in one transaction. What the change
// leaves as it was is not written.
func (s *Store) Notices(ctx context.Context, user id.User, change func(*notify.Memory)) error {
	return s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			return u.alone(func() error {
				is, err := u.told()
				if err != nil {
					return err
				}
				m, err := is.memory()
				if err != nil {
					return err
				}
				change(&m)
				next, err := asRows(m)
				if err != nil {
					return err
				}
				return u.putTold(is, next)
			})
		})
	})
}

// told is what a user was told, as it is kept.
type told struct {
	state     string
	incidents map[id.Mailbox]string
	notices   map[notify.ID]heldNotice
}

type heldNotice struct {
	state string
	boxes map[id.Mailbox]string
	order []id.Mailbox
}

func (u *userDB) told() (t told, err error) {
	ctx := context.Background()
	t = told{incidents: map[id.Mailbox]string{}, notices: map[notify.ID]heldNotice{}}
	if t.state, err = u.q.GetTold(ctx); err != nil && !errors.Is(none(err), account.ErrNone) {
		return t, err
	}
	incidents, err := u.q.Incidents(ctx)
	if err != nil {
		return t, err
	}
	for _, r := range incidents {
		t.incidents[id.Mailbox(r.ID)] = r.State
	}
	notices, err := u.q.Notices(ctx)
	if err != nil || len(notices) == 0 {
		return t, err
	}
	for _, r := range notices {
		t.notices[notify.ID(r.ID)] = heldNotice{state: r.State, boxes: map[id.Mailbox]string{}}
	}
	boxes, err := u.q.NoticeMailboxes(ctx)
	for _, r := range boxes {
		n, known := t.notices[notify.ID(r.Notice)]
		if !known {
			return t, sqlite3.CORRUPT
		}
		n.boxes[id.Mailbox(r.ID)] = r.State
		n.order = append(n.order, id.Mailbox(r.ID))
		t.notices[notify.ID(r.Notice)] = n
	}
	return t, err
}

// memory reads what is kept.
func (t told) memory() (m notify.Memory, err error) {
	read := func(text string, into any) {
		if err == nil && text != "" {
			err = json.Unmarshal([]byte(text), into)
		}
	}
	read(t.state, &m.Told)
	m.Incidents = make(map[id.Mailbox]notify.Incident, len(t.incidents))
	for box, text := range t.incidents {
		var i notify.Incident
		read(text, &i)
		m.Incidents[box] = i
	}
	for _, n := range sorted(t.notices) {
		held := t.notices[n]
		notice := notify.Notice{ID: n}
		read(held.state, &notice)
		for _, box := range held.order {
			about := notify.About{Mailbox: box}
			read(held.boxes[box], &about)
			notice.Boxes = append(notice.Boxes, about)
		}
		m.Outbox = append(m.Outbox, notice)
	}
	return m, err
}

// sorted gives ids in the order in which they were made.
func sorted[K ~[16]byte, V any](m map[K]V) []K {
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int { return slices.Compare(a[:], b[:]) })
}

// asRows is how a memory is kept.
func asRows(m notify.Memory) (t told, err error) {
	text := func(v any) string {
		b, e := json.Marshal(v)
		err = errors.Join(err, e)
		return string(b)
	}
	t = told{state: text(m.Told), incidents: map[id.Mailbox]string{}, notices: map[notify.ID]heldNotice{}}
	for box, i := range m.Incidents {
		t.incidents[box] = text(i)
	}
	for _, n := range m.Outbox {
		held := heldNotice{state: text(n), boxes: map[id.Mailbox]string{}}
		for _, a := range n.Boxes {
			held.boxes[a.Mailbox] = text(a)
			held.order = append(held.order, a.Mailbox)
		}
		t.notices[n.ID] = held
	}
	return t, err
}

// putTold writes what has changed. It is part of a transaction.
func (u *userDB) putTold(is, next told) error {
	ctx := context.Background()
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	if next.state != is.state {
		do(u.q.PutTold(ctx, next.state))
	}
	for box, state := range next.incidents {
		if is.incidents[box] != state {
			do(u.q.PutIncident(ctx, userdb.PutIncidentParams{State: state, Mailbox: box[:]}))
		}
	}
	for box := range is.incidents {
		if _, stays := next.incidents[box]; !stays {
			do(u.q.DropIncident(ctx, box[:]))
		}
	}
	for n, held := range next.notices {
		was, known := is.notices[n]
		if was.state != held.state {
			do(u.q.PutNotice(ctx, userdb.PutNoticeParams{ID: n[:], State: held.state}))
		}
		if known { // its mailboxes are those that it was made with
			continue
		}
		for box, state := range held.boxes {
			do(u.q.AddNoticeMailbox(ctx, userdb.AddNoticeMailboxParams{Notice: n[:], State: state, Mailbox: box[:]}))
		}
	}
	for n := range is.notices {
		if _, stays := next.notices[n]; !stays {
			do(u.q.DropNotice(ctx, n[:]))
		}
	}
	return errors.Join(errs...)
}
