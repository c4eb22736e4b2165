package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"iter"
	"net"
	"strconv"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
)

// lane names what shares a mail server. It is a hash under the index key, since
// the name of a host may be that of a person.
func (s *Store) lane(m account.Mailbox) int64 {
	h := s.index.Index("lane", net.JoinHostPort(m.Identity().Host, strconv.Itoa(m.Port)))
	return int64(binary.BigEndian.Uint64(h[:]))
}

// register makes the row by which the wheel finds a mailbox, due at once, or
// gives the one that is there the lane it has now.
func (s *Store) register(ctx context.Context, user id.User, m account.Mailbox) error {
	p := systemdb.RegisterParams{UserID: user[:], MailboxID: m.ID[:], Lane: s.lane(m)}
	same := false
	err := s.system.read(ctx, func(ctx context.Context) error {
		lane, err := s.q.Lane(ctx, systemdb.LaneParams{UserID: p.UserID, MailboxID: p.MailboxID})
		same = err == nil && lane == p.Lane
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || same {
		return err
	}
	return s.system.write(ctx, func() error { return s.q.Register(context.Background(), p) })
}

// many is how many rows RegisterMany writes in one commit.
const many = 20_000

// RegisterMany puts mailboxes into the wheel alone, as they are given and not
// dirty: a bench and its million do not wait for as many users and salts. To
// Load there is none of them.
func (s *Store) RegisterMany(ctx context.Context, rows iter.Seq[schedule.Registered]) error {
	for batch := range chunks(rows, many) {
		err := s.system.write(ctx, func() error {
			for _, r := range batch {
				err := s.system.bind(sqlRegister).blob(r.User[:]).blob(r.Mailbox[:]).int(int64(r.Lane)).
					int(int64(r.Phase)).int(nanos(r.Until)).int(int64(r.Every)).exec()
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// chunks yields the values of s, n at a time. The slice is used again.
func chunks[V any](s iter.Seq[V], n int) iter.Seq[[]V] {
	return func(yield func([]V) bool) {
		var c []V
		for v := range s {
			if c = append(c, v); len(c) == n {
				if !yield(c) {
					return
				}
				c = c[:0]
			}
		}
		if len(c) > 0 {
			yield(c)
		}
	}
}

func (s *Store) unregister(ctx context.Context, user id.User, box id.Mailbox) (n int64, err error) {
	s.marks.forget(box)
	err = s.system.write(ctx, func() (err error) {
		n, err = s.q.Unregister(context.Background(), systemdb.UnregisterParams{UserID: user[:], MailboxID: box[:]})
		return err
	})
	return n, err
}

// scheduled gives what the wheel has of a mailbox, or account.ErrNone.
func (s *Store) scheduled(ctx context.Context, user id.User, box id.Mailbox) (w wheelRow, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		w, err = s.q.Scheduled(ctx, systemdb.ScheduledParams{UserID: user[:], MailboxID: box[:]})
		return none(err)
	})
	return w, err
}

// Registered gives a mailbox as the wheel knows it, or account.ErrNone.
func (s *Store) Registered(ctx context.Context, user id.User, box id.Mailbox) (r schedule.Registered, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		row, err := s.q.Registered(ctx, systemdb.RegisteredParams{UserID: user[:], MailboxID: box[:]})
		r = schedule.Registered{User: user, Mailbox: box, Lane: uint64(row.Lane), Phase: schedule.Phase(row.Phase),
			Until: instant(row.Until), Every: time.Duration(row.Every), Dirty: row.Dirty != 0}
		return none(err)
	})
	if err != nil {
		return schedule.Registered{}, err
	}
	return r, nil
}

// reschedule keeps when a mailbox is due; with watch, that its user may have to
// be told something.
func (s *Store) reschedule(ctx context.Context, user id.User, box id.Mailbox, w wheelRow, watch bool) error {
	p := systemdb.RescheduleParams{Phase: w.Phase, Until: w.Until, Every: w.Every, UserID: user[:], MailboxID: box[:]}
	err := s.system.write(ctx, func() error {
		n, err := s.q.Reschedule(context.Background(), p)
		if err == nil && watch && n > 0 {
			err = s.watch(user)
		}
		return noneOf(n, err)
	})
	if err == nil && watch {
		s.stir()
	}
	return err
}

// chunk is how many rows of the wheel are read while nobody else can use the
// system database: some milliseconds.
const chunk = 2048

// All yields every registered mailbox, the dirty ones first, in chunks: what
// comes or goes meanwhile may be missing, and nothing is yielded twice.
func (s *Store) All(ctx context.Context) iter.Seq2[schedule.Registered, error] {
	return func(yield func(schedule.Registered, error) bool) {
		dirty, err := s.dirty(ctx)
		if err != nil {
			yield(schedule.Registered{}, err)
			return
		}
		first := make(map[id.Mailbox]bool, len(dirty))
		for _, r := range dirty {
			first[r.Mailbox] = true
			if !yield(r, nil) {
				return
			}
		}
		rows := make([]schedule.Registered, 0, chunk)
		for after := (schedule.Registered{}); ; after = rows[len(rows)-1] {
			if rows, err = s.after(ctx, after, rows[:0]); err != nil {
				yield(schedule.Registered{}, err)
				return
			}
			for _, r := range rows {
				if !first[r.Mailbox] && !yield(r, nil) {
					return
				}
			}
			if len(rows) < chunk {
				return
			}
		}
	}
}

func (s *Store) dirty(ctx context.Context) (out []schedule.Registered, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		rows, err := s.q.Dirty(ctx)
		for _, r := range rows {
			out = append(out, schedule.Registered{
				User: id.User(r.UserID), Mailbox: id.Mailbox(r.MailboxID), Lane: uint64(r.Lane), Phase: schedule.Phase(r.Phase),
				Until: instant(r.Until), Every: time.Duration(r.Every), Dirty: true,
			})
		}
		return err
	})
	return out, err
}

// after appends the next rows to out. There may be a million of them, so they
// are read on the connection itself.
func (s *Store) after(ctx context.Context, last schedule.Registered, out []schedule.Registered) ([]schedule.Registered, error) {
	err := s.system.read(ctx, func(context.Context) error {
		b := s.system.bind(sqlScheduledAfter).blob(last.User[:]).blob(last.Mailbox[:]).int(chunk)
		return b.each(func(r *sqlite3.Stmt) {
			out = append(out, schedule.Registered{
				User: id.User(r.ColumnRawBlob(0)), Mailbox: id.Mailbox(r.ColumnRawBlob(1)), Lane: uint64(r.ColumnInt64(2)),
				Phase: schedule.Phase(r.ColumnInt64(3)), Until: instant(r.ColumnInt64(4)), Every: time.Duration(r.ColumnInt64(5)),
			})
		})
	})
	return out, err
}

// Begin marks a mailbox dirty, durably; account.ErrNone if there is none. A
// mailbox that is marked already costs no write.
func (s *Store) Begin(ctx context.Context, user id.User, box id.Mailbox) error {
	m, durable := s.marks.begin(box)
	if durable {
		return nil
	}
	err := s.system.write(ctx, func() error {
		n, err := s.q.MarkDirty(context.Background(), systemdb.MarkDirtyParams{UserID: user[:], MailboxID: box[:]})
		return noneOf(n, err)
	})
	s.marks.begun(box, m, err == nil)
	return err
}

// Clean takes the marks of mailboxes away, in one commit. A mailbox that was
// begun anew since this was called keeps its mark.
func (s *Store) Clean(ctx context.Context, boxes []id.Mailbox) error {
	if len(boxes) == 0 {
		return nil
	}
	called := s.marks.tick()
	return s.system.write(ctx, func() error {
		for _, box := range boxes {
			if !s.marks.clean(box, called) {
				continue
			}
			if err := s.q.MarkClean(context.Background(), box[:]); err != nil {
				return err
			}
		}
		return nil
	})
}
