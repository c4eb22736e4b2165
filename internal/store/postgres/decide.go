package postgres

import (
	"context"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

const (
	// byUser is the reason of a line about what its user decided.
	byUser = "by_user"
	// wanted is added to the failed tries of an entry that its user wants, whatever
	// a rule says. It goes where they go, through claims and further tries.
	wanted = 1 << 20
)

// tries reads what is stored as the failed tries of an entry.
func tries(stored int32) (n int, wants bool) { return int(stored % wanted), stored >= wanted }

// Decide does what a user wants about the message that a line is about, and
// gives the mailbox, whose next pass looks at every message again; have one made.
// account.ErrNone: there is no such line, or what it is about is on its way or
// was never written down. audit.ErrDecision: it has ended otherwise since.
//
// It needs no epoch: it locks the entry, and whoever works on the mailbox claims
// it by a compare-and-set; one that is claimed is none to decide about.
func (s *Store) Decide(ctx context.Context, user id.User, line id.Audit, d audit.Decision) (box id.Mailbox, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return box, err
	}
	err = s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		r, err := q.EntryOfLine(ctx, line[:])
		if err != nil {
			return none(err)
		}
		box = id.Mailbox(r.MailboxID)
		return s.decide(ctx, q, p, r, d)
	})
	return box, err
}

func (s *Store) decide(ctx context.Context, q *userdb.Queries, p *person, r userdb.EntryOfLineRow, d audit.Decision) error {
	next, tries := ledger.Failed, int32(1)
	switch state := ledger.State(r.State); {
	case d == audit.Retry && (state == ledger.Failed || state == ledger.Refused || state == ledger.Doubtful):
	case d == audit.Import && (state == ledger.Skipped || state == ledger.Refused):
		tries += wanted
	case d == audit.Done && state == ledger.Doubtful:
		next = ledger.Imported
		box := id.Mailbox(r.MailboxID)
		k, err := s.keysOf(ctx, p, box)
		if err == nil {
			err = s.line(ctx, q, k, p.user, box, line{box: r.Mailbox, state: next, size: r.Size, domain: r.Domain, reason: byUser})
		}
		if err != nil {
			return err
		}
	default:
		return audit.ErrDecision
	}
	err := q.DecideEntry(ctx, userdb.DecideEntryParams{State: int16(next), Attempts: tries, Mailbox: r.Mailbox, Pair: r.Pair})
	if err != nil {
		return err
	}
	return q.Decided(ctx, r.Mailbox)
}

// line is one of the log that no ledger writes.
type line struct {
	box    int32
	state  ledger.State
	size   int64
	domain int64 // a word that is there
	reason string
	pair   []byte // nil for what is imported
}

// line writes one in a transaction of its user's.
func (s *Store) line(ctx context.Context, q *userdb.Queries, k *boxKeys, user id.User, box id.Mailbox, l line) error {
	for _, w := range k.unknown(user, box, today(), l.reason) {
		err := q.AddWords(ctx, userdb.AddWordsParams{Mailboxes: []int32{l.box}, Hashes: []int64{w.hash}, Days: []int32{w.day}, Sealed: [][]byte{w.sealed}})
		if err != nil {
			return err
		}
	}
	if l.state == ledger.Imported {
		l.pair = nil
		if err := q.CountImported(ctx, userdb.CountImportedParams{Mailbox: l.box, Octets: l.size}); err != nil {
			return err
		}
	}
	at := id.New[id.Audit]()
	return q.InsertLine(ctx, userdb.InsertLineParams{ID: at[:], Mailbox: l.box, Status: int16(l.state), Size: l.size, Domain: l.domain, Reason: k.word(l.reason), Pair: l.pair})
}
