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

	cmd := s.client.Fetch(imap.UIDSetNum(imap.UID(ref.UID)), &headerOnly)
	var h *mail.Header
	var answers int
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		answers++
		if got := s.readHeader(msg); got != nil {
			h = got
		}
	}
	err := cmd.Close()
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

// readHeader takes the header section out of one answer, nil if it is not whole.
func (s *Source) readHeader(msg *imapclient.FetchMessageData) (h *mail.Header) {
	for item := msg.Next(); item != nil; item = msg.Next() {
		section, ok := item.(imapclient.FetchItemDataBodySection)
		if !ok || section.Literal == nil || !section.MatchCommand(headerOnly.BodySection[0]) {
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
	return h
}
