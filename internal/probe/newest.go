package probe

import (
	"context"
	"iter"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
)

// MaxNewest is of how many messages the headers are fetched at once.
const MaxNewest = 50

// Newest fetches the header sections of the newest n messages of a mailbox, the
// newest first, and no octet of a body. Nothing there is changed, and nothing is
// kept. It is a connection test that goes one step further, with the same limits
// and the same words: its errors are *mail.Fault.
func (p *Prober) Newest(ctx context.Context, user id.User, box account.Mailbox, n int) (found []mail.Headed, err error) {
	n = min(n, MaxNewest)
	r, err := p.look(ctx, user, box, nil, visit{
		imap: func(ctx context.Context, t *imap.Trial, _ *record) error { return newest(ctx, t, n, &found) },
		pop3: func(ctx context.Context, s *pop3.Source, _ *record) error { return newest(ctx, s, n, &found) },
	})
	if err != nil || r.OK {
		return found, err
	}
	s := r.Steps[len(r.Steps)-1]
	return nil, &mail.Fault{Class: mail.Setup, Code: s.Code, Text: s.Detail, Help: s.Help, Err: s.Err}
}

// source is what both protocols have.
type source interface {
	List(ctx context.Context) iter.Seq2[mail.Ref, error]
	Header(ctx context.Context, ref mail.Ref) (*mail.Header, error)
}

func newest(ctx context.Context, s source, n int, found *[]mail.Headed) error {
	refs, err := tail(ctx, s, n)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		h, err := s.Header(ctx, ref)
		switch {
		case err == nil:
			*found = append(*found, mail.Headed{Ref: ref, Header: h})
		case mail.ClassOf(err) != mail.Undelivered: // of one that is gone meanwhile the others are shown
			return err
		}
	}
	return nil
}

// tail gives the last n of a listing, the newest first: those of each folder by
// the time when the server got them, which POP3 does not tell.
func tail(ctx context.Context, s source, n int) ([]mail.Ref, error) {
	folders := map[string][]mail.Ref{}
	for ref, err := range s.List(ctx) {
		if err != nil {
			return nil, err
		}
		last := append(folders[ref.Folder], ref)
		if len(last) > 2*n { // not all of a large mailbox
			last = slices.Clone(last[len(last)-n:])
		}
		folders[ref.Folder] = last
	}
	var all []mail.Ref
	for _, refs := range folders {
		all = append(all, refs...)
	}
	slices.SortStableFunc(all, func(a, b mail.Ref) int {
		if c := b.Date.Compare(a.Date); c != 0 {
			return c
		}
		return int(b.UID) - int(a.UID) + b.Number - a.Number
	})
	return all[:min(n, len(all))], nil
}
