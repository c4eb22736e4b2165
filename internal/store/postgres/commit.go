package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// kind of a write of a ledger.
type kind int

const (
	claiming kind = iota
	settling
	recording
)

// write is one that waits for the next shared transaction.
type write struct {
	ledger *Ledger
	kind   kind
	pair   [32]byte
	words  []word // of its line, that are not known to be there

	session, about []byte // of a claim, sealed
	claim          ledger.Claim

	state   ledger.State // of an outcome
	outcome ledger.Outcome
	domain  int64
	reason  int64
	line    id.Audit

	done bool
	err  error
	turn chan bool // true: lead the next batch; false: it is done
}

// word is a word of the log, sealed.
type word struct {
	hash   int64
	day    int32
	sealed []byte
}

// share is the part of a batch that goes through one user's door under one epoch.
type share struct {
	user   id.User
	epoch  int64
	writes []*write
}

// shares divides a batch, in an order that is the same for everybody.
func shares(batch []*write) (all []*share) {
	type who struct {
		user  id.User
		epoch int64
	}
	found := map[who]*share{}
	for _, w := range batch {
		o := w.ledger.owner
		h := found[who{o.user, o.epoch}]
		if h == nil {
			h = &share{user: o.user, epoch: o.epoch}
			found[who{o.user, o.epoch}] = h
			all = append(all, h)
		}
		h.writes = append(h.writes, w)
	}
	return all
}

// commit sends a batch in one pipeline, which is one transaction. The fences of
// all its users are held first, so that a take-over waits; every statement then
// reads them again. What a share's statements did not do was refused: it was
// taken, or its owner is fenced.
func (s *Store) commit(ctx context.Context, batch []*write) error {
	all := shares(batch)
	b, epochs := new(pgx.Batch), map[id.User]int64{}
	none := s.opening(id.User{})
	b.Queue(none.sql, none.args...)
	b.Queue(systemdb.HoldFences, userIDs(all)).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var user id.User
			var epoch int64
			if err := rows.Scan((*[16]byte)(&user), &epoch); err != nil {
				return err
			}
			epochs[user] = epoch
		}
		return rows.Err()
	})
	for _, h := range all {
		door := s.opening(h.user)
		b.Queue(door.sql, door.args...)
		h.queue(b)
	}
	err := s.connected(ctx, func(ctx context.Context, c *pgxpool.Conn) error { return c.SendBatch(ctx, b).Close() })
	if err != nil {
		return err
	}
	for _, h := range all {
		epoch, is := epochs[h.user]
		for _, w := range h.writes {
			switch {
			case !is || epoch != h.epoch:
				w.err = ledger.ErrFenced
			case !w.done:
				w.err = ledger.ErrTaken
			}
		}
	}
	return nil
}

func userIDs(all []*share) [][]byte {
	out := make([][]byte, len(all))
	for i, h := range all {
		out[i] = h.user[:]
	}
	return out
}

// queue adds the statements of a share: one of each kind that there is.
func (h *share) queue(b *pgx.Batch) {
	var words userdb.AddWordsParams
	type named struct {
		box  int32
		hash int64
	}
	there := map[named]bool{}
	by := [3][]*write{}
	for _, w := range h.writes {
		w.done, w.err = false, nil
		by[w.kind] = append(by[w.kind], w)
		for _, t := range w.words {
			if k := (named{w.ledger.n, t.hash}); !there[k] {
				there[k] = true
				words.Mailboxes, words.Hashes = append(words.Mailboxes, k.box), append(words.Hashes, k.hash)
				words.Days, words.Sealed = append(words.Days, t.day), append(words.Sealed, t.sealed)
			}
		}
	}
	if len(words.Hashes) > 0 {
		b.Queue(userdb.AddWords, words.Mailboxes, words.Hashes, words.Days, words.Sealed)
	}
	if ws := by[claiming]; len(ws) > 0 {
		h.claims(b, ws)
	}
	for _, k := range []kind{settling, recording} {
		if ws := by[k]; len(ws) > 0 {
			h.outcomes(b, k, ws)
		}
	}
}

func (h *share) claims(b *pgx.Batch, ws []*write) {
	var p userdb.ClaimParams
	for _, w := range ws {
		p.Mailboxes, p.Pairs, p.Unseens = append(p.Mailboxes, w.ledger.n), append(p.Pairs, w.pair[:]), append(p.Unseens, unseen(w.pair))
		p.Sessions, p.Abouts = append(p.Sessions, w.session), append(p.Abouts, w.about)
		p.Sizes, p.Offsets = append(p.Sizes, w.claim.Size), append(p.Offsets, w.claim.Checkpoint.Offset)
		p.Sums, p.Ats = append(p.Sums, w.claim.Checkpoint.Sum[:]), append(p.Ats, nanos(w.claim.At))
	}
	b.Queue(userdb.Claim, h.epoch, p.Mailboxes, p.Pairs, p.Unseens, p.Sessions, p.Abouts, p.Sizes, p.Offsets, p.Sums, p.Ats).QueryRow(found(ws))
}

func (h *share) outcomes(b *pgx.Batch, k kind, ws []*write) {
	var p userdb.RecordParams
	for _, w := range ws {
		// Lines are in the order of their commits.
		w.line = id.New[id.Audit]()
		p.Mailboxes, p.Pairs, p.Unseens = append(p.Mailboxes, w.ledger.n), append(p.Pairs, w.pair[:]), append(p.Unseens, unseen(w.pair))
		p.States, p.Failed = append(p.States, int16(w.state)), append(p.Failed, failedOnce(w.state))
		p.Lines, p.Sizes = append(p.Lines, w.line[:]), append(p.Sizes, w.outcome.Size)
		p.Domains, p.Reasons = append(p.Domains, w.domain), append(p.Reasons, w.reason)
	}
	if k == settling {
		b.Queue(userdb.Settle, h.epoch, p.Mailboxes, p.Pairs, p.States, p.Failed, p.Lines, p.Sizes, p.Domains, p.Reasons).QueryRow(found(ws))
		return
	}
	b.Queue(userdb.Record, h.epoch, p.Mailboxes, p.Pairs, p.Unseens, p.States, p.Failed, p.Lines, p.Sizes, p.Domains, p.Reasons).QueryRow(found(ws))
}

// found marks the writes that a statement says it has done, by their places.
func found(ws []*write) func(pgx.Row) error {
	return func(row pgx.Row) error {
		var places []int32
		err := row.Scan(&places)
		for _, n := range places {
			ws[n-1].done = true
		}
		return err
	}
}

// unseen gives the pair of the same message before its header was seen.
func unseen(pair [32]byte) []byte {
	out := make([]byte, 32)
	copy(out, pair[:16])
	return out
}

func failedOnce(s ledger.State) int32 {
	if s == ledger.Failed {
		return 1
	}
	return 0
}

// today is the day of a line, as words have it.
func today() int32 { return int32(time.Now().Unix() / (24 * 60 * 60)) }
