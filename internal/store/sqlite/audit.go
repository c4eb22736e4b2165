package sqlite

import (
	"context"
	"iter"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

// How much is looked at for one page where no index finds it: so many lines in
// one go, while nobody else can use the user's database, and so often.
const (
	lookLines = 5_000
	looks     = 10
)

// usualPage is for how many lines there is room from the beginning: those of a
// page, and the one that tells whether there are more.
const usualPage = 51

func (s *Store) cursors() audit.Cursors { return audit.Cursors{Hash: s.index.Index} }

// List gives a page of a user's audit log, newest line first.
func (s *Store) List(ctx context.Context, user id.User, f audit.Filter, cursor string, limit int) (p audit.Page, err error) {
	low, before := audit.Bounds(f)
	cursors := s.cursors()
	if before, err = cursors.Open(user, cursor, before); err != nil {
		return p, err
	}
	limit = audit.Limit(limit)
	err = s.inUser(ctx, user, func(u *userDB) error {
		search := search{userDB: u, Filter: f, low: low, before: before, most: limit + 1, found: make([]audit.Entry, 0, min(limit+1, usualPage))}
		for range looks {
			if err := u.read(ctx, func(context.Context) error { return search.look() }); err != nil {
				return err
			}
			if search.over() {
				p = cursors.Cut(user, search.found, limit)
				return nil
			}
		}
		p = cursors.Cut(user, search.found, limit)
		if p.Next == "" {
			p.Next = cursors.Seal(user, search.before)
		}
		return nil
	})
	return p, err
}

// Lines yields all of a user's lines that f leaves, newest first. They are read
// in pages, between which others get their turn: what is written meanwhile is
// not among them.
func (s *Store) Lines(ctx context.Context, user id.User, f audit.Filter) iter.Seq2[audit.Entry, error] {
	return audit.Stream(func(cursor string) (audit.Page, error) { return s.List(ctx, user, f, cursor, 0) })
}

// search looks for the newest lines of a filter, of which low <= id < before.
type search struct {
	*userDB
	audit.Filter
	low, before id.Audit
	most        int
	found       []audit.Entry
	none        bool // there is no such mailbox
}

func (s *search) over() bool { return s.none || len(s.found) == s.most || s.before == s.low }

// look goes on looking: as far as it takes where an index leads, else through
// the next so many lines.
func (s *search) look() error {
	n, state, err := s.filter()
	if err != nil || s.none {
		return err
	}
	indexed := s.Domain == "" && (state == 0 || n == 0 && state != int64(ledger.Imported))
	edge := s.low
	if !indexed {
		if err := s.edge(n, state).each(func(r *sqlite3.Stmt) { edge = id.Audit(r.ColumnRawBlob(0)) }); err != nil {
			return err
		}
	}
	err = s.lines(n, state, edge).each(func(r *sqlite3.Stmt) {
		e := audit.Entry{ID: id.Audit(r.ColumnRawBlob(0)), Mailbox: id.Mailbox(r.ColumnRawBlob(1)), Domain: r.ColumnText(2),
			Status: ledger.State(r.ColumnInt64(3)).Status(), Reason: r.ColumnText(4), Size: r.ColumnInt64(5)}
		e.At = audit.TimeOf(e.ID)
		s.found = append(s.found, e)
	})
	s.before = edge
	return err
}

// filter gives number and state for the statements; 0: any.
func (s *search) filter() (n, state int64, err error) {
	if s.Status != "" {
		state = int64(ledger.StateOf(s.Status))
	}
	if s.Mailbox != (id.Mailbox{}) {
		n, err = s.q.MailboxNumber(context.Background(), s.Mailbox[:])
		if s.none = none(err) == account.ErrNone; s.none {
			err = nil
		}
	}
	return n, state, err
}

// edge asks for the id at which a look ends; no row: all that is left is looked at.
func (s *search) edge(n, state int64) binder {
	switch {
	case n != 0:
		return s.bind(sqlStepMailbox).int(n).blob(s.before[:]).blob(s.low[:]).int(lookLines)
	case state != 0 && state != int64(ledger.Imported):
		return s.bind(sqlStepStatus).int(state).blob(s.before[:]).blob(s.low[:]).int(lookLines)
	}
	return s.bind(sqlStepAll).blob(s.before[:]).blob(s.low[:]).int(lookLines)
}

// lines asks by the index that fits the filter best.
func (s *search) lines(n, state int64, low id.Audit) binder {
	domain, below := s.Domains()
	most := int64(s.most - len(s.found))
	switch {
	case n != 0:
		return s.bind(sqlAuditMailbox).int(n).blob(s.before[:]).blob(low[:]).text(domain).text(below).int(state).int(most)
	case state != 0 && state != int64(ledger.Imported):
		return s.bind(sqlAuditStatus).int(state).blob(s.before[:]).blob(low[:]).text(domain).text(below).int(most)
	}
	return s.bind(sqlAuditAll).blob(s.before[:]).blob(low[:]).text(domain).text(below).int(state).int(most)
}
