package sqlite

import (
	"context"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

const (
	// byUser is the reason of a line about what its user decided.
	byUser = "by_user"
	// wanted is added to the failed tries of an entry that its user wants, whatever
	// a rule says. It goes where they go, through claims and further tries.
	wanted = 1 << 20
)

// Decide does what a user wants about the message that a line is about, and
// gives the mailbox, whose next pass looks at every message again; have one made.
// account.ErrNone: there is no such line, or what it is about is on its way or
// was never written down. audit.ErrDecision: it has ended otherwise since.
//
// It needs no epoch: whoever works on the mailbox claims an entry, which is a
// compare-and-set, and an entry that is claimed is none to decide about.
func (s *Store) Decide(ctx context.Context, user id.User, line id.Audit, d audit.Decision) (box id.Mailbox, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			return u.alone(func() error {
				r, err := u.q.EntryOfLine(context.Background(), line[:])
				if err != nil {
					return none(err)
				}
				box = id.Mailbox(r.MailboxID)
				return u.decide(r, d)
			})
		})
	})
	return box, err
}

func (u *userDB) decide(r userdb.EntryOfLineRow, d audit.Decision) error {
	ctx, next, tries := context.Background(), ledger.Failed, int64(1)
	switch state := ledger.State(r.State); {
	case d == audit.Retry && (state == ledger.Failed || state == ledger.Refused || state == ledger.Doubtful):
	case d == audit.Import && (state == ledger.Skipped || state == ledger.Refused):
		tries += wanted
	case d == audit.Done && state == ledger.Doubtful:
		next = ledger.Imported
		err := u.line(r.Mailbox, r.Pair, next, ledger.Outcome{Status: mail.Imported, Reason: byUser, Domain: r.Domain, Size: r.Size})
		if err != nil {
			return err
		}
	default:
		return audit.ErrDecision
	}
	err := u.q.DecideEntry(ctx, userdb.DecideEntryParams{State: int64(next), Attempts: tries, Mailbox: r.Mailbox, Pair: r.Pair})
	if err != nil {
		return err
	}
	return u.q.Decided(ctx, r.Mailbox)
}

// tries reads what is stored as the failed tries of an entry.
func tries(stored int64) (n int, wants bool) { return int(stored % wanted), stored >= wanted }
