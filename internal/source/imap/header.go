package imap

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// The header section alone. Not HEADER.FIELDS, whose echo servers spell as
// they like, and not a partial range, which several get wrong.
var headerOnly = imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{
	{Specifier: imap.PartSpecifierHeader, Peek: true},
}}

// Header fetches the header section of one message, at most mail.MaxHeader
// octets of it, and no body. A message that is gone is Undelivered.
func (s *Source) Header(ctx context.Context, ref mail.Ref) (*mail.Header, error) {
	w := s.watch(ctx, fetchTime(min(ref.Size, largest)), "send a header")
	defer w.end()
	if err := s.open(ref); err != nil {
		return nil, err
	}
	allow(s, []mail.Ref{ref})
	defer s.guard.AllowLiterals(0, 0)

	h, answers, err := s.askHeader(ref)
	if h == nil && err == nil && answers > 0 { // a change of flags came instead
		h, answers, err = s.askHeader(ref)
	}
	r, refused := answered(err)
	switch {
	case err != nil && !refused:
		return nil, s.fault("send a header", err)
	case h != nil:
		return h, nil
	case refused && r.common(s.cfg.Host) != nil:
		return nil, r.common(s.cfg.Host)
	}
	return nil, undelivered(s.cfg.Host, ref, r, answers > 0)
}

// askHeader runs one command; answers counts those that were no NIL.
func (s *Source) askHeader(ref mail.Ref) (h *mail.Header, answers int, err error) {
	cmd := s.client.Fetch(imap.UIDSetNum(imap.UID(ref.UID)), &headerOnly)
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		got, some := s.readHeader(msg)
		if some {
			answers++
		}
		if got != nil {
			h = got
		}
	}
	return h, answers, cmd.Close()
}

// readHeader takes the header section out of one answer, nil if it is not
// whole; some reports whether there was anything beside UID and NIL.
func (s *Source) readHeader(msg *imapclient.FetchMessageData) (h *mail.Header, some bool) {
	for item := msg.Next(); item != nil; item = msg.Next() {
		section, ok := item.(imapclient.FetchItemDataBodySection)
		if _, uid := item.(imapclient.FetchItemDataUID); uid || ok && section.Literal == nil {
			continue
		}
		some = true
		if !ok || !section.MatchCommand(headerOnly.BodySection[0]) {
			s.discard(section.Literal)
			continue
		}
		b := body{source: s, lit: section.Literal, left: section.Literal.Size()}
		raw := make([]byte, min(b.left, mail.MaxHeader))
		if _, err := io.ReadFull(&b, raw); err == nil {
			h = mail.ParseHeader(raw)
			if b.left > 0 {
				h.SetTruncated()
			}
		}
		b.discard()
	}
	return h, some
}
