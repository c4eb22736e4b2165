package postgres

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// read asks one thing. Who has lost the user may still read.
func (l *Ledger) read(ctx context.Context, f func(context.Context, *userdb.Queries) error) error {
	return gone(l.owner.store.once(ctx, l.owner.user, f))
}

// Entries gives everything known about the mailbox.
func (l *Ledger) Entries(ctx context.Context) (out []ledger.Entry, err error) {
	err = l.read(ctx, func(ctx context.Context, q *userdb.Queries) error {
		rows, err := q.Entries(ctx, l.n)
		out = make([]ledger.Entry, len(rows))
		for i, r := range rows {
			out[i] = ledger.Entry{Key: key(r.Pair), State: ledger.State(r.State), Absent: r.Absent, Day: ledger.Day(r.Day)}
			out[i].Attempts, out[i].Wanted = tries(r.Attempts)
		}
		return err
	})
	return out, err
}

func key(pair []byte) ledger.Key {
	p := [32]byte(pair)
	return ledger.Key{ID: mail.Key(p[:16]), Content: mail.Key(p[16:])}
}

// Claims gives the entries in state Claimed, oldest first.
func (l *Ledger) Claims(ctx context.Context) (out []ledger.Claim, err error) {
	var rows []userdb.ClaimsRow
	err = l.read(ctx, func(ctx context.Context, q *userdb.Queries) (err error) {
		rows, err = q.Claims(ctx, l.n)
		return err
	})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	k, err := l.keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		c := ledger.Claim{Key: key(r.Pair), Size: r.Size, At: time.Unix(0, r.At)}
		c.Attempts, _ = tries(r.Attempts)
		c.Checkpoint.Offset = r.CheckpointOffset
		copy(c.Checkpoint.Sum[:], r.CheckpointSum)
		if c.Session, err = k.Sealer.Open(l.sessionPlace([32]byte(r.Pair)), r.Session); err != nil {
			return nil, err
		}
		var a about
		if err := opened(k.Sealer, l.place("about", [32]byte(r.Pair)), r.About, &a); err != nil {
			return nil, err
		}
		c.Verdict, c.Domain = a.Verdict, a.Domain
		out = append(out, c)
	}
	return out, nil
}

func pairs(keys []ledger.Key) [][]byte {
	out := make([][]byte, len(keys))
	for i, k := range keys {
		p := octets(k)
		out[i] = p[:]
	}
	return out
}

// Listed notes what a complete listing showed; unknown keys are passed over.
func (l *Ledger) Listed(ctx context.Context, absent, present []ledger.Key) error {
	return l.write(ctx, func(ctx context.Context, q *userdb.Queries) error {
		for _, m := range []userdb.MarkEntriesParams{
			{Absent: true, Mailbox: l.n, Pairs: pairs(absent)}, {Absent: false, Mailbox: l.n, Pairs: pairs(present)},
		} {
			if len(m.Pairs) == 0 {
				continue
			}
			if err := q.MarkEntries(ctx, m); err != nil {
				return err
			}
			if err := q.MarkClaims(ctx, userdb.MarkClaimsParams(m)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Remap gives entries the ids they have now, all at once: all are taken out
// before the first is put in, so that they may trade places. ErrTaken, and
// nothing is changed, if an entry is unknown or claimed, or a new place is held
// by an entry that does not move.
func (l *Ledger) Remap(ctx context.Context, moves []ledger.Move) error {
	if len(moves) == 0 {
		return nil
	}
	return l.write(ctx, func(ctx context.Context, q *userdb.Queries) error { return l.remap(ctx, q, moves) })
}

func (l *Ledger) remap(ctx context.Context, q *userdb.Queries, moves []ledger.Move) error {
	old := make([]ledger.Key, len(moves))
	for i, m := range moves {
		old[i] = m.Old
	}
	rows, err := q.TakeOut(ctx, userdb.TakeOutParams{Mailbox: l.n, Pairs: pairs(old)})
	if err != nil {
		return err
	}
	out := make(map[[32]byte]userdb.TakeOutRow, len(rows))
	for _, r := range rows {
		out[[32]byte(r.Pair)] = r
	}
	in := userdb.PutInParams{Mailbox: l.n}
	lines := userdb.MoveLinesParams{Mailbox: l.n}
	for _, m := range moves {
		was, pair := octets(m.Old), octets(ledger.Key{ID: m.New, Content: m.Old.Content})
		r, is := out[was]
		if !is {
			return ledger.ErrTaken
		}
		delete(out, was) // whoever moves twice moves nowhere
		in.Pairs, in.States, in.Attempts, in.Days = append(in.Pairs, pair[:]), append(in.States, r.State), append(in.Attempts, r.Attempts), append(in.Days, r.Day)
		if ledger.State(r.State) != ledger.Imported {
			lines.Old, lines.New = append(lines.Old, was[:]), append(lines.New, pair[:])
		}
	}
	n, err := q.PutIn(ctx, in)
	if err != nil {
		return err
	}
	if int(n) != len(moves) {
		return ledger.ErrTaken
	}
	if len(lines.Old) == 0 {
		return nil
	}
	return q.MoveLines(ctx, lines)
}
