package postgres

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// How much is looked at for one page where no index finds it: so many lines of a
// mailbox in one statement, and so often.
const (
	lookLines = 20_000
	looks     = 5
)

func (s *Store) cursors() audit.Cursors { return audit.Cursors{Hash: s.index.Index} }

// List gives a page of a user's audit log, newest line first.
func (s *Store) List(ctx context.Context, user id.User, f audit.Filter, cursor string, limit int) (p audit.Page, err error) {
	low, before := audit.Bounds(f)
	cursors := s.cursors()
	if before, err = cursors.Open(user, cursor, before); err != nil {
		return p, err
	}
	limit = audit.Limit(limit)
	search := search{store: s, Filter: f, low: low, before: before, most: limit + 1, words: []int64{}}
	if search.person, err = s.person(ctx, user); err != nil {
		return p, err
	}
	if err := search.domains(ctx); err != nil {
		return p, err
	}
	for range looks {
		if search.over() {
			break
		}
		if err := search.look(ctx); err != nil {
			return p, err
		}
	}
	p = cursors.Cut(user, search.found, limit)
	if p.Next == "" && !search.over() {
		p.Next = cursors.Seal(user, search.before)
	}
	return p, nil
}

// Lines yields all of a user's lines that f leaves, newest first. They are read
// in pages: what is written meanwhile is not among them.
func (s *Store) Lines(ctx context.Context, user id.User, f audit.Filter) iter.Seq2[audit.Entry, error] {
	return audit.Stream(func(cursor string) (audit.Page, error) { return s.List(ctx, user, f, cursor, 0) })
}

// search looks for the newest lines of a filter, of which low <= id < before.
type search struct {
	store *Store
	audit.Filter
	person      *person
	low, before id.Audit
	most        int
	words       []int64 // the domains that are wanted; empty: any
	found       []audit.Entry
	none        bool // nothing can be found
}

func (s *search) over() bool { return s.none || len(s.found) == s.most || s.before == s.low }

// domains finds what the lines that are wanted call their domains.
func (s *search) domains(ctx context.Context) error {
	if s.Domain == "" {
		return nil
	}
	domain, below := s.Domains()
	wants := func(text string) bool { return text == domain || below != "" && strings.HasSuffix(text, below) }
	boxes, err := s.store.numbers(ctx, s.person.user)
	if err != nil {
		return err
	}
	for n, box := range boxes {
		if s.Mailbox != (id.Mailbox{}) && s.Mailbox != box {
			continue
		}
		found, err := s.store.ofDomain(ctx, s.person, box, n, wants)
		if err != nil {
			return err
		}
		s.words = append(s.words, found...)
	}
	s.none = len(s.words) == 0
	return nil
}

// look goes on looking: as far as it takes where an index leads, else through
// the next so many lines.
func (s *search) look(ctx context.Context) error {
	var status int16
	if s.Status != "" {
		status = int16(ledger.StateOf(s.Status))
	}
	rare := status != 0 && status != int16(ledger.Imported)
	var box []byte
	if s.Mailbox != (id.Mailbox{}) {
		box = s.Mailbox[:]
	}
	edge := s.low
	if s.Domain != "" || status == int16(ledger.Imported) {
		err := s.store.once(ctx, s.person.user, func(ctx context.Context, q *userdb.Queries) error {
			at, err := q.StepOfLines(ctx, userdb.StepOfLinesParams{Before: s.before[:], Low: s.low[:], Lines: lookLines, Box: box})
			if err == nil {
				edge = id.Audit(at)
			}
			if errors.Is(none(err), account.ErrNone) {
				err = nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	var rows []userdb.AuditLinesRow
	err := s.store.once(ctx, s.person.user, func(ctx context.Context, q *userdb.Queries) (err error) {
		p := userdb.AuditLinesParams{Before: s.before[:], Low: edge[:], Words: s.words, Status: status, Most: int32(s.most - len(s.found)), Box: box}
		if !rare {
			rows, err = q.AuditLines(ctx, p)
			return err
		}
		few, err := q.AuditOfStatus(ctx, userdb.AuditOfStatusParams(p))
		for _, r := range few {
			rows = append(rows, userdb.AuditLinesRow(r))
		}
		return err
	})
	if err != nil {
		return err
	}
	s.before = edge
	return s.read(ctx, rows)
}

// read makes entries of rows; what their words say is asked once for a mailbox.
func (s *search) read(ctx context.Context, rows []userdb.AuditLinesRow) error {
	hashes, numbers := map[id.Mailbox]map[int64]bool{}, map[id.Mailbox]int32{}
	for _, r := range rows {
		box := id.Mailbox(r.MailboxID)
		if hashes[box] == nil {
			hashes[box], numbers[box] = map[int64]bool{}, r.N
		}
		hashes[box][r.Domain] = true
		if r.Reason != nil {
			hashes[box][*r.Reason] = true
		}
	}
	texts := map[id.Mailbox]map[int64]string{}
	for box, of := range hashes {
		words, err := s.store.wordsOf(ctx, s.person, box, numbers[box], of)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is being wiped: its lines say nothing any more
		}
		if err != nil {
			return err
		}
		texts[box] = words
	}
	for _, r := range rows {
		if texts[id.Mailbox(r.MailboxID)] == nil {
			continue
		}
		e := audit.Entry{ID: id.Audit(r.ID), Mailbox: id.Mailbox(r.MailboxID), Status: ledger.State(r.Status).Status(), Size: r.Size}
		e.At, e.Domain = audit.TimeOf(e.ID), texts[e.Mailbox][r.Domain]
		if r.Reason != nil {
			e.Reason = texts[e.Mailbox][*r.Reason]
		}
		s.found = append(s.found, e)
	}
	return nil
}

// DropAudit drops a user's lines from before a time and tells how many, and the
// words that no line can have any more.
func (s *Store) DropAudit(ctx context.Context, user id.User, before time.Time) (dropped int64, err error) {
	first := audit.First(before)
	boxes, err := s.numbers(ctx, user)
	if err != nil {
		return 0, err
	}
	for n := range boxes {
		for gone := int64(chunk); gone == chunk; dropped += gone {
			err := s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
				gone, err = q.DropAudit(ctx, userdb.DropAuditParams{Mailbox: n, Before: first[:], Most: chunk})
				return err
			})
			if err != nil {
				return dropped, err
			}
		}
	}
	// A line may be a moment younger than its word says.
	day := int32(before.Unix()/(24*60*60)) - 1
	return dropped, s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error { return q.DropWords(ctx, day) })
}
