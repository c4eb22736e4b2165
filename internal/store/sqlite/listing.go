package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

// read runs f on the connection. Who has lost the store may still read.
func (l *Ledger) read(ctx context.Context, f func(context.Context, *userDB) error) error {
	err := l.owner.store.users.use(ctx, l.owner.user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error { return f(ctx, u) })
	})
	if errors.Is(err, errGone) {
		return ledger.ErrFenced
	}
	return err
}

// Entries gives everything known about the mailbox.
func (l *Ledger) Entries(ctx context.Context) (out []ledger.Entry, err error) {
	err = l.read(ctx, func(ctx context.Context, u *userDB) error {
		rows, err := u.q.Entries(ctx, l.n)
		out = make([]ledger.Entry, len(rows))
		for i, r := range rows {
			out[i] = ledger.Entry{Key: key(r.Pair), State: ledger.State(r.State), Absent: r.Absent != 0, Day: ledger.Day(r.Day)}
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
	err = l.read(ctx, func(ctx context.Context, u *userDB) error {
		rows, err := u.q.Claims(ctx, l.n)
		if err != nil || len(rows) == 0 {
			return err
		}
		k, err := u.keysOf(ctx, l.box)
		if err != nil {
			return err
		}
		for _, r := range rows {
			c := ledger.Claim{Key: key(r.Pair), Domain: r.Domain, Size: r.Size, At: time.Unix(0, r.At)}
			c.Attempts, _ = tries(r.Attempts)
			c.Checkpoint.Offset = r.CheckpointOffset
			copy(c.Checkpoint.Sum[:], r.CheckpointSum)
			if c.Session, err = k.Sealer.Open(l.sessionPlace(r.Pair), r.Session); err != nil {
				return err
			}
			if err = json.Unmarshal([]byte(r.Verdict), &c.Verdict); err != nil {
				return fmt.Errorf("verdict: %w", err)
			}
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// Listed notes what a complete listing showed; unknown keys are passed over.
func (l *Ledger) Listed(ctx context.Context, absent, present []ledger.Key) error {
	return l.write(ctx, func(u *userDB) error {
		return u.alone(func() error {
			if err := u.mark(l.n, absent, 1); err != nil {
				return err
			}
			return u.mark(l.n, present, 0)
		})
	})
}

func (u *userDB) mark(box int64, keys []ledger.Key, absent int64) error {
	ctx := context.Background()
	for _, k := range keys {
		pair := octets(k)
		p := userdb.MarkEntryParams{Absent: absent, Mailbox: box, Pair: pair[:]}
		if err := u.q.MarkEntry(ctx, p); err != nil {
			return err
		}
		if err := u.q.MarkClaim(ctx, userdb.MarkClaimParams(p)); err != nil {
			return err
		}
	}
	return nil
}

// Remap gives entries the ids they have now, all at once: all are taken out
// before the first is put in, so that they may trade places. ErrTaken, and
// nothing is changed, if an entry is unknown or claimed, or a new place is held
// by an entry that does not move.
func (l *Ledger) Remap(ctx context.Context, moves []ledger.Move) error {
	return l.write(ctx, func(u *userDB) error {
		return u.alone(func() error { return u.remap(l.n, moves) })
	})
}

func (u *userDB) remap(box int64, moves []ledger.Move) error {
	ctx := context.Background()
	out := make([]userdb.TakeOutRow, len(moves))
	for i, m := range moves {
		pair := octets(m.Old)
		r, err := u.q.TakeOut(ctx, userdb.TakeOutParams{Mailbox: box, Pair: pair[:]})
		if errors.Is(err, sql.ErrNoRows) {
			return ledger.ErrTaken
		}
		if err != nil {
			return err
		}
		out[i] = r
	}
	for i, m := range moves {
		old, pair := octets(m.Old), octets(ledger.Key{ID: m.New, Content: m.Old.Content})
		n, err := u.q.PutIn(ctx, userdb.PutInParams{Mailbox: box, Pair: pair[:], State: out[i].State, Attempts: out[i].Attempts, Day: out[i].Day})
		if err != nil {
			return err
		}
		if n == 0 {
			return ledger.ErrTaken
		}
		if ledger.State(out[i].State) != ledger.Imported {
			if err := u.q.MoveLines(ctx, userdb.MoveLinesParams{New: pair[:], Mailbox: box, Old: old[:]}); err != nil {
				return err
			}
		}
	}
	return nil
}
