package postgres

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// WipeUser destroys everything about a user: the key, which is the point of no
// return, then the rows. The intent is durable before, with what is to be told to
// others, so that what a crash interrupts is finished later (FinishWipes); it may be
// repeated. From that moment on nobody is signed in as this user.
func (s *Store) WipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	w := &wipe{Receipt: newReceipt(account.OfAccount), user: user}
	w.Rows = s.countRows(ctx, user)
	if err := s.begin(ctx, w); err != nil {
		return account.Receipt{}, err
	}
	return s.wipeUser(context.WithoutCancel(ctx), w)
}

func (s *Store) wipeUser(ctx context.Context, w *wipe) (account.Receipt, error) {
	g, err := s.Grant(ctx, w.user)
	if err == nil {
		err = s.leaveErrand(ctx, w, g.RefreshToken)
	} else if f, ok := mail.AsFault(err); !ok || f.Class != mail.Transient {
		err = nil // there is none, or what cannot be read any more cannot be told
	}
	if err != nil {
		return account.Receipt{}, err
	}
	if err := s.keys.DestroyUser(ctx, w.user); err != nil {
		return account.Receipt{}, err
	}
	s.people.forget(w.user)
	w.At, w.KeyDestroyed = time.Now(), true
	if err := s.at(stepKey); err != nil {
		return account.Receipt{}, err
	}
	var boxes []userdb.MailboxNumbersRow
	err = s.inBoth(ctx, w.user, func(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) (err error) {
		// Whoever writes to a ledger is fenced.
		if _, err := sys.TakeOver(ctx, w.user[:]); err != nil {
			return none(err)
		}
		boxes, err = q.MailboxNumbers(ctx)
		return err
	})
	for _, box := range boxes {
		if err == nil {
			err = s.wipeLong(ctx, w, box.N)
		}
	}
	if err == nil {
		err = s.at(stepRows)
	}
	if err != nil {
		return account.Receipt{}, err
	}
	return s.keepReceipt(ctx, w, w.userRows)
}

// userRows takes away all that is left of a user. It is part of a transaction.
func (w *wipe) userRows(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) error {
	// Whoever makes something of this user locks the profile first, and then
	// refers to the user.
	if _, err := q.LockProfile(ctx); unlessNone(err) != nil {
		return err
	}
	if _, err := sys.LockUserToEnd(ctx, w.user[:]); err != nil {
		return none(err) // somebody else has wiped it meanwhile
	}
	boxes, err := q.MailboxNumbers(ctx)
	if err != nil {
		return err
	}
	for _, box := range boxes {
		if err := w.mailboxRows(ctx, q, box.N); err != nil {
			return err
		}
	}
	if err := sys.EndWipesOfUser(ctx, w.user[:]); err != nil {
		return err
	}
	for _, step := range []step{
		{"grants", q.WipeGrants}, {"person", q.DropPerson}, {"profile", q.WipeProfile}, {"requests", q.WipeRequests},
		{"rules", q.WipeRules}, {"modules", q.WipeModules},
		{"sessions", of(w.user, sys.DeleteUserSessions)}, {"tokens", of(w.user, sys.DeleteUserTokens)},
		{"grant_marks", of(w.user, sys.DeleteUserMarks)}, {"signals", of(w.user, sys.DeleteUserSignals)},
		{"quota_user_day", of(w.user, sys.DeleteUserQuota)}, {"wheel", of(w.user, sys.UnregisterUser)},
		{"fences", of(w.user, sys.DropFence)}, {"users", of(w.user, sys.DeleteUser)},
	} {
		if err := w.take(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// step empties one table of what is wiped.
type step struct {
	table string
	wipe  func(context.Context) (int64, error)
}

func of(user id.User, wipe func(context.Context, []byte) (int64, error)) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) { return wipe(ctx, user[:]) }
}

func ofBox(n int32, wipe func(context.Context, int32) (int64, error)) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) { return wipe(ctx, n) }
}

func (w *wipe) take(ctx context.Context, s step) error {
	gone, err := s.wipe(ctx)
	w.gone(s.table, gone)
	return err
}

// countRows counts for the receipt; what cannot be read any more counts as nothing.
func (s *Store) countRows(ctx context.Context, user id.User) map[string]int64 {
	rows := map[string]int64{}
	_ = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		n, err := q.CountRows(ctx)
		rows["mailboxes"], rows["schedule"], rows["entries"], rows["totals"] = n.Mailboxes, n.Schedule, n.Entries, n.Totals
		rows["claims"], rows["words"], rows["audit"], rows["grants"] = n.Claims, n.Words, n.Audit, n.Grants
		rows["person"], rows["profile"], rows["requests"] = n.Person, n.Profile, n.Requests
		rows["modules"], rows["rules"], rows["rule_mailboxes"] = n.Modules, n.Rules, n.RuleMailboxes
		return err
	})
	return rows
}
