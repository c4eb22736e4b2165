package probe

import (
	"context"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// maxSized is for how many messages the sizes are asked one by one, where the
// server does not add them up.
const maxSized = 5000

// visit is what is done in a mailbox once we are logged in, without changing
// anything. What it notes in the record is told with its step.
type visit struct {
	imap func(context.Context, *imap.Trial, *record) error
	pop3 func(context.Context, *pop3.Source, *record) error
}

// measuring looks into the folders, or asks for the figures of the maildrop.
func measuring(out *Result) visit {
	return visit{
		imap: func(ctx context.Context, t *imap.Trial, r *record) error { return measureIMAP(ctx, t, r, out) },
		pop3: func(ctx context.Context, s *pop3.Source, r *record) error { return measurePOP3(ctx, s, r, out) },
	}
}

// tryIMAP logs in for a visit.
func tryIMAP(ctx context.Context, d *dial.Dialer, box account.Mailbox, r *record, do visit) error {
	cfg := imap.Config{Host: box.Host, Port: uint16(box.Port), Security: imap.Security(box.Security),
		Username: box.Username, Password: box.Password, Token: token(box), ReadOnly: true, Dial: d}
	for _, f := range box.Folders {
		cfg.Folders = append(cfg.Folders, f.Name)
	}
	t, err := imap.New(cfg).Try(ctx, r.begin, r.secured)
	if err != nil {
		return err
	}
	defer t.Close(ctx)
	r.begin("list")
	if err := do.imap(ctx, t, r); err != nil {
		return err
	}
	r.pass()
	return nil
}

func measureIMAP(ctx context.Context, t *imap.Trial, r *record, out *Result) error {
	chosen, err := t.Chosen(ctx)
	if err != nil {
		return err
	}
	if err := sum(ctx, t, chosen, out); err != nil {
		return err
	}
	listed, err := t.Folders(ctx, chosen)
	if f, ok := mail.AsFault(err); ok && (f.Code == "bad_response" || f.Code == "refused_command") {
		listed, err = chosen, nil // a sync needs no list
		r.note = "the server's list of folders cannot be read; the folders that are set can"
	}
	if err != nil {
		return err
	}
	for _, l := range listed {
		out.Folders = append(out.Folders, Folder{Name: l.Name, SpecialUse: l.Use, Selectable: l.Selectable, Messages: known(l.Messages), Bytes: known(l.Octets)})
	}
	return nil
}

// sum adds up what is in the chosen folders, as far as one is told.
func sum(ctx context.Context, t *imap.Trial, chosen []imap.Listed, out *Result) (err error) {
	var messages, octets int64
	counted, sized := true, true
	for _, l := range chosen {
		messages += max(l.Messages, 0)
		octets += max(l.Octets, 0)
		counted, sized = counted && l.Messages >= 0, sized && l.Octets >= 0
	}
	if counted {
		out.Messages = &messages
	}
	if counted && !sized && messages <= maxSized {
		if octets, err = add(ctx, t); err != nil {
			return err
		}
		sized = true
	}
	if sized {
		out.Bytes = &octets
	}
	return nil
}

// add adds the sizes of a listing up.
func add(ctx context.Context, t *imap.Trial) (octets int64, err error) {
	for ref, err := range t.List(ctx) {
		if err != nil {
			return 0, err
		}
		octets += ref.Size
	}
	return octets, nil
}

// tryPOP3 logs in for a visit.
func tryPOP3(ctx context.Context, d *dial.Dialer, box account.Mailbox, r *record, do visit) error {
	s, err := pop3.New(pop3.Config{Host: box.Host, Port: uint16(box.Port), Security: box.Security,
		Username: box.Username, Password: box.Password, Token: token(box), Dial: d}).Try(ctx, r.begin, r.secured)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	r.begin("list")
	if err := do.pop3(ctx, s, r); err != nil {
		return err
	}
	r.pass()
	return nil
}

func measurePOP3(ctx context.Context, s *pop3.Source, r *record, out *Result) error {
	m, err := s.Measure(ctx)
	if err != nil {
		return err
	}
	messages := int64(m.Messages)
	out.Messages, out.Bytes = &messages, &m.Octets
	if !m.UIDL {
		r.note = "the server gives its messages no ids (UIDL); they are told apart by their content, which takes longer"
	}
	return nil
}

// token gives the access token of a mailbox that is opened with one. The test
// renews none: that is for those who keep it.
func token(box account.Mailbox) func(context.Context, vault.Secret) (vault.Secret, error) {
	if box.Consent.Provider == "" {
		return nil
	}
	return func(context.Context, vault.Secret) (vault.Secret, error) { return box.Consent.Access, nil }
}

func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}
