package sqlite

import (
	"context"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

// Stats counts what happened in a window. Each step is a range of ids, which is
// all that is read, and between two of them others get their turn.
func (s *Store) Stats(ctx context.Context, user id.User, w audit.Window) (audit.Stats, error) {
	stats := audit.NewStats(w)
	err := s.inUser(ctx, user, func(u *userDB) error {
		boxes, err := u.numbers(ctx)
		if err != nil {
			return err
		}
		for step := range w.Steps {
			low, before := audit.First(w.At(step)), audit.First(w.At(step+1))
			err := u.read(ctx, func(context.Context) error {
				return u.bind(sqlTally).blob(low[:]).blob(before[:]).each(func(r *sqlite3.Stmt) {
					if box, known := boxes[r.ColumnInt64(0)]; known {
						stats.Count(step, box, ledger.State(r.ColumnInt64(1)).Status(), audit.Amount{Messages: r.ColumnInt64(2), Bytes: r.ColumnInt64(3)})
					}
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return stats, err
}

// numbers gives the ids of a user's mailboxes by their numbers.
func (u *userDB) numbers(ctx context.Context) (map[int64]id.Mailbox, error) {
	boxes := map[int64]id.Mailbox{}
	err := u.read(ctx, func(ctx context.Context) error {
		rows, err := u.q.MailboxNumbers(ctx)
		for _, r := range rows {
			boxes[r.N] = id.Mailbox(r.ID)
		}
		return err
	})
	return boxes, err
}

// Standing tells how the messages of each mailbox stand: what it has brought in
// all, of which the log may have forgotten some, and what is skipped, refused,
// doubtful or failing now. Bytes are known of the imported ones.
func (s *Store) Standing(ctx context.Context, user id.User) (map[id.Mailbox]audit.Tally, error) {
	out := map[id.Mailbox]audit.Tally{}
	err := s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			rows, err := u.q.Standing(ctx)
			for _, r := range rows {
				box := id.Mailbox(r.ID)
				if out[box] == nil {
					out[box] = audit.Tally{}
				}
				out[box].Add(ledger.State(r.State).Status(), audit.Amount{Messages: r.Messages, Bytes: r.Octets})
			}
			return err
		})
	})
	return out, err
}
