package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

// List gives a page of a user's audit log, newest line first.
func (s *Store) List(ctx context.Context, user id.User, f audit.Filter, cursor string, limit int) (p audit.Page, err error) {
	low, before, err := audit.Bounds(f, cursor)
	if err != nil {
		return p, err
	}
	limit = audit.Limit(limit)
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			rows, err := u.lines(ctx, f, low, before, int64(limit)+1)
			if err != nil {
				return err
			}
			found := make([]audit.Entry, len(rows))
			for i, r := range rows {
				found[i] = audit.Entry{ID: id.Audit(r.ID), At: audit.TimeOf(id.Audit(r.ID)), Mailbox: id.Mailbox(r.MailboxID),
					Domain: r.Domain, Status: ledger.State(r.Status).Status(), Reason: r.Reason, Size: r.Size}
			}
			p = audit.Cut(found, limit)
			return nil
		})
	})
	return p, err
}

// lines asks by the index that fits the filter best.
func (u *userDB) lines(ctx context.Context, f audit.Filter, low, before id.Audit, most int64) ([]userdb.AuditAllRow, error) {
	all := userdb.AuditAllParams{Before: before[:], Low: low[:], Domain: f.Domain, Most: most}
	if f.Status != "" {
		all.Status = int64(ledger.StateOf(f.Status))
	}
	if f.Mailbox == (id.Mailbox{}) {
		if all.Status == 0 || all.Status == int64(ledger.Imported) {
			return u.q.AuditAll(ctx, all)
		}
		rows, err := u.q.AuditOfStatus(ctx, userdb.AuditOfStatusParams{
			Status: all.Status, Before: all.Before, Low: all.Low, Domain: all.Domain, Most: most,
		})
		return convert(rows, func(r userdb.AuditOfStatusRow) userdb.AuditAllRow { return userdb.AuditAllRow(r) }), err
	}
	n, err := u.q.MailboxNumber(ctx, f.Mailbox[:])
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := u.q.AuditOfMailbox(ctx, userdb.AuditOfMailboxParams{
		Mailbox: n, Before: all.Before, Low: all.Low, Domain: all.Domain, Status: all.Status, Most: most,
	})
	return convert(rows, func(r userdb.AuditOfMailboxRow) userdb.AuditAllRow { return userdb.AuditAllRow(r) }), err
}

func convert[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}
