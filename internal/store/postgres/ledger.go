package postgres

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Owner holds a user's rows under one epoch.
type Owner struct {
	store *Store
	user  id.User
	epoch int64
}

// Take takes a user over: whoever held it before is fenced from now on.
func (s *Store) Take(ctx context.Context, user id.User) (*Owner, error) {
	o := &Owner{store: s, user: user}
	err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		o.epoch, err = q.TakeOver(ctx, user[:])
		return none(err)
	})
	return o, err
}

// Own gives a user to the process that owns it already. Owners given by Own are
// one owner; the next Take fences them all.
func (s *Store) Own(ctx context.Context, user id.User) (*Owner, error) {
	o := &Owner{store: s, user: user}
	err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		o.epoch, err = q.Epoch(ctx, user[:])
		return none(err)
	})
	return o, err
}

// Ledger gives the ledger of one mailbox (bridge.Ledger), or account.ErrNone.
func (o *Owner) Ledger(ctx context.Context, box id.Mailbox) (*Ledger, error) {
	l := &Ledger{owner: o, box: box}
	err := o.store.once(ctx, o.user, func(ctx context.Context, q *userdb.Queries) (err error) {
		l.n, err = q.MailboxNumber(ctx, box[:])
		return none(err)
	})
	return l, err
}

// Ledger is the durable memory of one mailbox under one epoch.
type Ledger struct {
	owner *Owner
	box   id.Mailbox
	n     int32 // of the mailbox
}

// gone is what a ledger answers whose mailbox or user was wiped meanwhile.
func gone(err error) error {
	if sqlState(err) == foreignKey || errors.Is(err, account.ErrNone) || errors.Is(err, fs.ErrNotExist) {
		return ledger.ErrFenced
	}
	return err
}

// octets gives the pair of k as it is stored: id, then content.
func octets(k ledger.Key) (p [32]byte) {
	copy(p[:16], k.ID[:])
	copy(p[16:], k.Content[:])
	return p
}

func (l *Ledger) sessionPlace(pair [32]byte) vault.Place { return l.place("session", pair) }

func (l *Ledger) place(column string, pair [32]byte) vault.Place {
	return claimPlace(l.owner.user, l.box, column, pair[:])
}

func claimPlace(user id.User, box id.Mailbox, column string, pair []byte) vault.Place {
	return vault.Place{Table: "claims", Column: column, Row: string(box[:]) + string(pair), User: user}
}

// keys opens what seals the mailbox's claims and words.
func (l *Ledger) keys(ctx context.Context) (*boxKeys, error) {
	p, err := l.owner.store.person(ctx, l.owner.user)
	if err != nil {
		return nil, gone(err)
	}
	k, err := l.owner.store.keysOf(ctx, p, l.box)
	return k, gone(err)
}

// about is what a claim tells of its message.
type about struct {
	Verdict mail.Verdict `json:"verdict"`
	Domain  string       `json:"domain,omitempty"`
}

// Claim inserts the intent, if the pair is unknown or Failed; else ErrTaken.
func (l *Ledger) Claim(ctx context.Context, c ledger.Claim) error {
	k, err := l.keys(ctx)
	if err != nil {
		return err
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	w := &write{ledger: l, kind: claiming, pair: octets(c.Key), claim: c}
	if w.about, err = sealed(k.Sealer, l.place("about", w.pair), about{c.Verdict, c.Domain}); err != nil {
		return err
	}
	w.session = k.Sealer.Seal(l.sessionPlace(w.pair), c.Session)
	return l.lane().write(ctx, w)
}

func (l *Ledger) lane() *lane { return l.owner.store.flusher.of(l.owner.user) }

// Settle ends a claimed entry with its audit line.
func (l *Ledger) Settle(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	return l.outcome(ctx, settling, k, o)
}

// Record writes an outcome without a claim, with its audit line.
func (l *Ledger) Record(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	return l.outcome(ctx, recording, k, o)
}

// outcome writes one, and tells of its line once it is committed.
func (l *Ledger) outcome(ctx context.Context, how kind, k ledger.Key, o ledger.Outcome) error {
	keys, err := l.keys(ctx)
	if err != nil {
		return err
	}
	w := &write{ledger: l, kind: how, pair: octets(k), state: ledger.StateOf(o.Status), outcome: o}
	day := today()
	w.domain, w.reason = keys.word(o.Domain), keys.word(o.Reason)
	w.words = keys.unknown(l.owner.user, l.box, day, o.Domain, o.Reason)
	if err := l.lane().write(ctx, w); err != nil {
		return err
	}
	keys.learn(w.words)
	if tell := l.owner.store.written; tell != nil {
		tell(l.owner.user, audit.Entry{ID: w.line, At: audit.TimeOf(w.line), Mailbox: l.box, Domain: o.Domain, Status: o.Status, Reason: o.Reason, Size: o.Size})
	}
	return nil
}

// write runs f in a transaction of its own if the owner still is the owner.
func (l *Ledger) write(ctx context.Context, f func(context.Context, *userdb.Queries) error) error {
	err := l.owner.store.inUser(ctx, l.owner.user, func(ctx context.Context, q *userdb.Queries) error {
		epoch, err := q.HoldFence(ctx)
		if err = none(err); err != nil {
			return err
		}
		if epoch != l.owner.epoch {
			return ledger.ErrFenced
		}
		return f(ctx, q)
	})
	return gone(err)
}

// Renew swaps the session from old to next. Sealed values differ each time, so
// the stored one is opened and compared, under a lock.
func (l *Ledger) Renew(ctx context.Context, k ledger.Key, old, next vault.Secret) error {
	keys, err := l.keys(ctx)
	if err != nil {
		return err
	}
	pair := octets(k)
	return l.write(ctx, func(ctx context.Context, q *userdb.Queries) error {
		stored, err := q.ClaimedSession(ctx, userdb.ClaimedSessionParams{Mailbox: l.n, Pair: pair[:]})
		if errors.Is(none(err), account.ErrNone) {
			return ledger.ErrTaken
		}
		if err != nil {
			return err
		}
		is, err := keys.Sealer.Open(l.sessionPlace(pair), stored)
		if err != nil {
			return err
		}
		if !is.Equal(old) {
			return ledger.ErrTaken
		}
		return q.RenewSession(ctx, userdb.RenewSessionParams{Session: keys.Sealer.Seal(l.sessionPlace(pair), next), Mailbox: l.n, Pair: pair[:]})
	})
}

// Checkpoint saves a position of a claimed entry.
func (l *Ledger) Checkpoint(ctx context.Context, k ledger.Key, cp ledger.Checkpoint) error {
	pair := octets(k)
	return l.write(ctx, func(ctx context.Context, q *userdb.Queries) error {
		n, err := q.SetCheckpoint(ctx, userdb.SetCheckpointParams{
			CheckpointOffset: cp.Offset, CheckpointSum: cp.Sum[:], Mailbox: l.n, Pair: pair[:],
		})
		if err == nil && n == 0 {
			err = ledger.ErrTaken
		}
		return err
	})
}
