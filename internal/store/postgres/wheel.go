package postgres

import (
	"context"
	"encoding/binary"
	"iter"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
)

// lane names what shares a mail server. It is a hash under the index key, since
// the name of a host may be that of a person.
func (s *Store) lane(m account.Mailbox) int64 {
	h := s.index.Index("lane", net.JoinHostPort(m.Identity().Host, strconv.Itoa(m.Port)))
	return int64(binary.BigEndian.Uint64(h[:]))
}

func (s *Store) registration(user id.User, m account.Mailbox) systemdb.RegisterParams {
	return systemdb.RegisterParams{UserID: user[:], MailboxID: m.ID[:], Shard: int16(schedule.ShardOf(user)), Lane: s.lane(m)}
}

// many is how many rows RegisterMany writes in one commit.
const many = 20_000

// RegisterMany puts mailboxes into the wheel alone, as they are given and not
// dirty: a bench and its million do not wait for as many users and salts. To
// Load there is none of them.
func (s *Store) RegisterMany(ctx context.Context, rows iter.Seq[schedule.Registered]) error {
	var p systemdb.RegisterManyParams
	write := func() error {
		full := p
		p = systemdb.RegisterManyParams{}
		return s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error { return q.RegisterMany(ctx, full) })
	}
	for r := range rows {
		p.Users, p.Mailboxes = append(p.Users, r.User[:]), append(p.Mailboxes, r.Mailbox[:])
		p.Shards, p.Lanes = append(p.Shards, int16(schedule.ShardOf(r.User))), append(p.Lanes, int64(r.Lane))
		p.Phases, p.Untils, p.Everys = append(p.Phases, int16(r.Phase)), append(p.Untils, nanos(r.Until)), append(p.Everys, int64(r.Every))
		if len(p.Users) == many {
			if err := write(); err != nil {
				return err
			}
		}
	}
	if len(p.Users) == 0 {
		return nil
	}
	return write()
}

func registered(r systemdb.DirtyRow, dirty bool) schedule.Registered {
	return schedule.Registered{User: id.User(r.UserID), Mailbox: id.Mailbox(r.MailboxID), Lane: uint64(r.Lane),
		Phase: schedule.Phase(r.Phase), Until: instant(r.Until), Every: time.Duration(r.Every), Dirty: dirty}
}

// Registered gives a mailbox as the wheel knows it, or account.ErrNone.
func (s *Store) Registered(ctx context.Context, user id.User, box id.Mailbox) (r schedule.Registered, err error) {
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		row, err := q.Registered(ctx, systemdb.RegisteredParams{UserID: user[:], MailboxID: box[:]})
		if err == nil {
			r = registered(systemdb.DirtyRow{UserID: user[:], MailboxID: box[:], Lane: row.Lane, Phase: row.Phase, Until: row.Until, Every: row.Every}, row.Dirty)
		}
		return none(err)
	})
	return r, err
}

// All yields every registered mailbox, the dirty ones first, in chunks: what
// comes or goes meanwhile may be missing, and nothing is yielded twice.
func (s *Store) All(ctx context.Context) iter.Seq2[schedule.Registered, error] {
	return func(yield func(schedule.Registered, error) bool) {
		var rows []systemdb.DirtyRow
		err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
			rows, err = q.Dirty(ctx)
			return err
		})
		if err != nil {
			yield(schedule.Registered{}, err)
			return
		}
		first := make(map[id.Mailbox]bool, len(rows))
		for _, r := range rows {
			first[id.Mailbox(r.MailboxID)] = true
			if !yield(registered(r, true), nil) {
				return
			}
		}
		var last schedule.Registered
		for n := many; n == many; {
			var rows []systemdb.ScheduledAfterRow
			err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
				rows, err = q.ScheduledAfter(ctx, systemdb.ScheduledAfterParams{UserID: last.User[:], MailboxID: last.Mailbox[:], Most: many})
				return err
			})
			if err != nil {
				yield(schedule.Registered{}, err)
				return
			}
			for _, r := range rows {
				last = registered(systemdb.DirtyRow(r), false)
				if !first[last.Mailbox] && !yield(last, nil) {
					return
				}
			}
			n = len(rows)
		}
	}
}

// marking keeps Begin and Clean apart: a mailbox that is begun while the marks of
// others are taken away keeps its own. Who owns a mailbox is the only one to do
// either, so that a lock of this process is enough.
type marking struct {
	writing sync.RWMutex // Clean holds it, and Begin shares it

	mu    sync.Mutex
	now   uint64 // counts what is asked for, to tell which came first
	begun map[id.Mailbox]uint64
}

func (m *marking) begin(box id.Mailbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.begun == nil {
		m.begun = map[id.Mailbox]uint64{}
	}
	m.now++
	m.begun[box] = m.now
}

func (m *marking) tick() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now++
	return m.now
}

// older gives those that were not begun since a tick.
func (m *marking) older(boxes []id.Mailbox, than uint64) (out [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, box := range boxes {
		if m.begun[box] < than {
			delete(m.begun, box)
			out = append(out, box[:])
		}
	}
	return out
}

// Begin marks a mailbox dirty, durably; account.ErrNone if there is none. A
// mailbox that is marked already costs no write.
func (s *Store) Begin(ctx context.Context, user id.User, box id.Mailbox) error {
	s.marking.writing.RLock()
	defer s.marking.writing.RUnlock()
	s.marking.begin(box)
	return s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		return noneOf(q.MarkDirty(ctx, systemdb.MarkDirtyParams{UserID: user[:], MailboxID: box[:]}))
	})
}

// Clean takes the marks of mailboxes away, in one commit. A mailbox that was
// begun anew since this was called keeps its mark.
func (s *Store) Clean(ctx context.Context, boxes []id.Mailbox) error {
	called := s.marking.tick()
	s.marking.writing.Lock()
	defer s.marking.writing.Unlock()
	old := s.marking.older(boxes, called)
	if len(old) == 0 {
		return nil
	}
	return s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error { return q.MarkClean(ctx, old) })
}
