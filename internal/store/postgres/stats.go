package postgres

import (
	"context"
	"maps"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// Stats counts what happened in a window. Each step is a range of ids, which is
// all that is read.
func (s *Store) Stats(ctx context.Context, user id.User, w audit.Window) (audit.Stats, error) {
	stats := audit.NewStats(w)
	boxes, err := s.numbers(ctx, user)
	if err != nil {
		return stats, err
	}
	numbers := slices.Collect(maps.Keys(boxes))
	err = s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		for step := range w.Steps {
			low, before := audit.First(w.At(step)), audit.First(w.At(step+1))
			rows, err := q.Tally(ctx, userdb.TallyParams{Mailboxes: numbers, Low: low[:], Before: before[:]})
			if err != nil {
				return err
			}
			for _, r := range rows {
				if box, known := boxes[r.Mailbox]; known {
					stats.Count(step, box, ledger.State(r.Status).Status(), audit.Amount{Messages: r.Messages, Bytes: r.Octets})
				}
			}
		}
		return nil
	})
	return stats, err
}

// numbers gives the ids of a user's mailboxes by their numbers; account.ErrNone
// if there is no such user.
func (s *Store) numbers(ctx context.Context, user id.User) (map[int32]id.Mailbox, error) {
	boxes := map[int32]id.Mailbox{}
	err := s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		rows, err := q.MailboxNumbers(ctx)
		for _, r := range rows {
			boxes[r.N] = id.Mailbox(r.ID)
		}
		return err
	})
	if err == nil && len(boxes) == 0 {
		_, err = s.person(ctx, user)
	}
	return boxes, err
}

// Standing tells how the messages of each mailbox stand: what it has brought in
// all, of which the log may have forgotten some, and what is skipped, refused,
// doubtful or failing now. Bytes are known of the imported ones.
func (s *Store) Standing(ctx context.Context, user id.User) (map[id.Mailbox]audit.Tally, error) {
	out := map[id.Mailbox]audit.Tally{}
	err := s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		rows, err := q.Standing(ctx)
		for _, r := range rows {
			box := id.Mailbox(r.ID)
			if out[box] == nil {
				out[box] = audit.Tally{}
			}
			out[box].Add(ledger.State(r.State).Status(), audit.Amount{Messages: r.Messages, Bytes: r.Octets})
		}
		return err
	})
	if err == nil && len(out) == 0 {
		_, err = s.person(ctx, user)
	}
	return out, err
}
