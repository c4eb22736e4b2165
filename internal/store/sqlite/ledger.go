package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Owner holds a user's store under one epoch.
type Owner struct {
	store *Store
	user  id.User
	epoch int64
}

// Take takes a user's store over: whoever held it before is fenced from now on.
func (s *Store) Take(ctx context.Context, user id.User) (*Owner, error) {
	o := &Owner{store: s, user: user}
	err := s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() (err error) {
			if o.epoch, err = u.q.TakeOver(context.Background()); err == nil {
				u.epoch = o.epoch
			}
			return err
		})
	})
	return o, err
}

// Own gives a user's store to the process that holds the data directory. Nobody
// else can be writing to it, so that nothing has to be written to fence them:
// where Take is durable before it returns, this costs a read. Owners given by
// Own are one owner; the next Take fences them all.
func (s *Store) Own(ctx context.Context, user id.User) (*Owner, error) {
	if s.lock == nil {
		return nil, errNotExclusive
	}
	o := &Owner{store: s, user: user}
	err := s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(context.Context) error {
			err := u.readEpoch()
			o.epoch = u.epoch
			return err
		})
	})
	return o, err
}

var errNotExclusive = errors.New("sqlite: the store was not opened exclusively")

// Ledger gives the ledger of one mailbox (bridge.Ledger), or account.ErrNone.
func (o *Owner) Ledger(ctx context.Context, box id.Mailbox) (*Ledger, error) {
	l := &Ledger{owner: o, box: box}
	err := o.store.inUser(ctx, o.user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) (err error) {
			l.n, err = u.q.MailboxNumber(ctx, box[:])
			return none(err)
		})
	})
	return l, err
}

// Ledger is the durable memory of one mailbox under one epoch.
type Ledger struct {
	owner *Owner
	box   id.Mailbox
	n     int64 // of the mailbox in its database
}

// write runs f in a transaction if the owner still is the owner.
func (l *Ledger) write(ctx context.Context, f func(*userDB) error) error {
	err := l.owner.store.users.use(ctx, l.owner.user, func(u *userDB) error {
		return u.write(ctx, func() error {
			if u.epoch != l.owner.epoch {
				return ledger.ErrFenced
			}
			err := f(u)
			if errors.Is(err, sqlite3.CONSTRAINT_FOREIGNKEY) {
				return ledger.ErrFenced // the mailbox was wiped meanwhile
			}
			return err
		})
	})
	if errors.Is(err, errGone) {
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

func (l *Ledger) sessionPlace(pair []byte) vault.Place {
	return vault.Place{Table: "claims", Column: "session", Row: string(l.box[:]) + string(pair), User: l.owner.user}
}

// seal seals a session where it is cheap to: before the write queues.
func (l *Ledger) seal(ctx context.Context, pair []byte, session vault.Secret) (sealed []byte, err error) {
	err = l.owner.store.users.use(ctx, l.owner.user, func(u *userDB) error {
		k, err := u.keysOf(ctx, l.box)
		if err == nil {
			sealed = k.Sealer.Seal(l.sessionPlace(pair), session)
		}
		return err
	})
	if errors.Is(err, errGone) || errors.Is(err, fs.ErrNotExist) {
		err = ledger.ErrFenced
	}
	return sealed, err
}

// Claim inserts the intent, if the pair is unknown or Failed; else ErrTaken.
func (l *Ledger) Claim(ctx context.Context, c ledger.Claim) error {
	pair, unseen := octets(c.Key), octets(ledger.Key{ID: c.ID})
	sealed, err := l.seal(ctx, pair[:], c.Session)
	if err != nil {
		return err
	}
	verdict, err := json.Marshal(c.Verdict)
	if err != nil {
		return err
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	return l.write(ctx, func(u *userDB) error {
		tries, err := u.failedTries(l.n, pair[:], unseen[:])
		if err != nil {
			return err
		}
		err = u.changeOne(u.bind(sqlInsertClaim).int(l.n).blob(pair[:]).blob(sealed).text(string(verdict)).text(c.Domain).int(c.Size).
			int(c.Checkpoint.Offset).blob(c.Checkpoint.Sum[:]).int(c.At.UnixNano()).int(tries))
		if err != nil || tries == 0 { // a failed entry has at least one
			return err
		}
		return u.bind(sqlDropFailed).int(l.n).blob(pair[:]).blob(unseen[:]).exec()
	})
}

// failedTries gives how often a message has failed so far.
func (u *userDB) failedTries(box int64, pair, unseen []byte) (n int64, err error) {
	err = u.bind(sqlFailedTries).int(box).blob(pair).blob(unseen).each(func(r *sqlite3.Stmt) { n = r.ColumnInt64(0) })
	return n, err
}

// changeOne runs a compare-and-set: ErrTaken if it has changed nothing.
func (u *userDB) changeOne(b binder) error {
	err := b.exec()
	if err == nil && u.conn.Changes() == 0 {
		err = ledger.ErrTaken
	}
	return err
}

// Settle ends a claimed entry with its audit line.
func (l *Ledger) Settle(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	pair, state := octets(k), ledger.StateOf(o.Status)
	return l.lined(o, func(line *id.Audit) error {
		return l.write(ctx, func(u *userDB) error { return l.settle(u, pair, state, o, line) })
	})
}

func (l *Ledger) settle(u *userDB, pair [32]byte, state ledger.State, o ledger.Outcome, line *id.Audit) error {
	err := u.changeOne(u.bind(sqlSettle).int(int64(state)).int(failedOnce(state)).int(today()).int(l.n).blob(pair[:]))
	if err != nil {
		return err
	}
	if err := u.bind(sqlDropClaim).int(l.n).blob(pair[:]).exec(); err != nil {
		return err
	}
	err = u.line(l.n, pair[:], state, o)
	*line = u.newest
	return err
}

// lined does what writes a line, and tells of it once it is committed.
func (l *Ledger) lined(o ledger.Outcome, do func(line *id.Audit) error) error {
	var line id.Audit
	err := do(&line)
	if tell := l.owner.store.written; tell != nil && err == nil {
		tell(l.owner.user, audit.Entry{ID: line, At: audit.TimeOf(line), Mailbox: l.box, Domain: o.Domain, Status: o.Status, Reason: o.Reason, Size: o.Size})
	}
	return err
}

// Record writes an outcome without a claim, with its audit line.
func (l *Ledger) Record(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	pair, unseen, state := octets(k), octets(ledger.Key{ID: k.ID}), ledger.StateOf(o.Status)
	return l.lined(o, func(line *id.Audit) error {
		return l.write(ctx, func(u *userDB) error { return l.record(u, pair, unseen, state, o, line) })
	})
}

func (l *Ledger) record(u *userDB, pair, unseen [32]byte, state ledger.State, o ledger.Outcome, line *id.Audit) error {
	err := u.changeOne(u.bind(sqlRecord).int(l.n).blob(pair[:]).int(int64(state)).int(today()).int(failedOnce(state)).blob(unseen[:]))
	if err != nil {
		return err
	}
	if pair != unseen {
		if err := u.bind(sqlDropFailed).int(l.n).blob(unseen[:]).blob(unseen[:]).exec(); err != nil {
			return err
		}
	}
	err = u.line(l.n, pair[:], state, o)
	*line = u.newest
	return err
}

// today is the day of an outcome.
func today() int64 { return int64(ledger.DayOf(time.Now())) }

func failedOnce(s ledger.State) int64 {
	if s == ledger.Failed {
		return 1
	}
	return 0
}

// line writes the audit line of an outcome. Its id is made here, in the order
// of the commits. What is not imported keeps its pair there, by which its user
// may decide about it (Decide).
func (u *userDB) line(box int64, pair []byte, state ledger.State, o ledger.Outcome) error {
	if state == ledger.Imported {
		pair = nil
		if err := u.bind(sqlCountImported).int(box).int(o.Size).exec(); err != nil {
			return err
		}
	}
	u.newest = id.New[id.Audit]()
	return u.bind(sqlInsertAudit).blob(u.newest[:]).int(box).text(o.Domain).int(int64(state)).text(o.Reason).int(o.Size).blob(pair).exec()
}

// Renew swaps the session from old to next. Sealed values differ each time, so
// the stored one is opened and compared; nobody writes in between.
func (l *Ledger) Renew(ctx context.Context, k ledger.Key, old, next vault.Secret) error {
	pair := octets(k)
	sealed, err := l.seal(ctx, pair[:], next)
	if err != nil {
		return err
	}
	return l.write(ctx, func(u *userDB) error {
		stored, err := u.q.ClaimedSession(context.Background(), userdb.ClaimedSessionParams{Mailbox: l.n, Pair: pair[:]})
		if errors.Is(err, sql.ErrNoRows) {
			return ledger.ErrTaken
		}
		if err != nil {
			return err
		}
		k, err := u.keysOf(context.Background(), l.box)
		if err != nil {
			return err
		}
		is, err := k.Sealer.Open(l.sessionPlace(pair[:]), stored)
		if err != nil {
			return err
		}
		if !is.Equal(old) {
			return ledger.ErrTaken
		}
		return u.q.RenewSession(context.Background(), userdb.RenewSessionParams{Session: sealed, Mailbox: l.n, Pair: pair[:]})
	})
}

// Checkpoint saves a position of a claimed entry.
func (l *Ledger) Checkpoint(ctx context.Context, k ledger.Key, cp ledger.Checkpoint) error {
	pair := octets(k)
	return l.write(ctx, func(u *userDB) error {
		n, err := u.q.SetCheckpoint(context.Background(), userdb.SetCheckpointParams{
			CheckpointOffset: cp.Offset, CheckpointSum: cp.Sum[:], Mailbox: l.n, Pair: pair[:],
		})
		if err == nil && n == 0 {
			err = ledger.ErrTaken
		}
		return err
	})
}
