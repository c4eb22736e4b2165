package gmail

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// chunkAlign: every chunk but the last is a multiple of it.
const chunkAlign = 256 << 10

// Put sends one chunk of a session. With Length 0 and a Total it ends an
// upload whose octets have all been sent. Put returns only when Body is no
// longer read; if Body is an io.Seeker, a chunk refused for an expired token
// is sent again from where Body stood.
//
// Gmail commits the message when it has the last octet, not when we have its
// answer: a lost answer is mail.Unknown.
func (c *Client) Put(ctx context.Context, session vault.Secret, ch mail.Chunk) (mail.Answer, error) {
	span, err := contentRange(ch)
	if err != nil {
		return mail.Answer{}, err
	}
	if 0 < ch.Length && ch.Length <= maxSmall {
		small := make([]byte, ch.Length)
		if _, err := io.ReadFull(newBody(ch, nil), small); err != nil {
			return mail.Answer{}, torn(err)
		}
		return c.put(ctx, session, span, ch, small, nil)
	}
	seeker, _ := ch.Body.(io.Seeker)
	var start int64
	if seeker != nil {
		if start, err = seeker.Seek(0, io.SeekCurrent); err != nil {
			seeker = nil
		}
	}
	rewind := func() bool {
		if seeker == nil {
			return false
		}
		_, err := seeker.Seek(start, io.SeekStart)
		return err == nil
	}
	return c.put(ctx, session, span, ch, nil, rewind)
}

// maxSmall: a chunk that fits is read before its request is made. net/http then
// sends head and body in one packet, and a torn mail costs no request. Measured
// 2026-11-24 on a busy 2-core machine, 5.5 kB: from 1.3 to 1.25 times the CPU of
// the same two requests on bare net/http. The copy is not pooled: net/http may
// hold it longer than the request lasts.
const maxSmall = writeBuffer - 4<<10

// Query asks what became of the session. It sends no octets and, unless all of
// them are there already, commits nothing.
func (c *Client) Query(ctx context.Context, session vault.Secret, total int64) (mail.Answer, error) {
	span := "bytes */*"
	if total >= 0 {
		span = "bytes */" + strconv.FormatInt(total, 10)
	}
	return c.put(ctx, session, span, mail.Chunk{Total: total}, nil, nil)
}

// put makes the request: small, if not nil, is the chunk's whole content.
func (c *Client) put(ctx context.Context, session vault.Secret, span string, ch mail.Chunk, small []byte, rewind func() bool) (mail.Answer, error) {
	u, err := c.sessionURL(session.RevealString())
	if err != nil {
		return mail.Answer{}, err
	}
	r, err := c.call(ctx, kindPut, func(ctx context.Context, w *watch) (*http.Request, *body, error) {
		req := (&http.Request{Method: http.MethodPut, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Range": {span}}, Body: http.NoBody}).WithContext(ctx)
		if ch.Length == 0 {
			req.Header["Idempotency-Key"] = nil // not sent; a question may be asked twice
			return req, nil, nil
		}
		req.Header["Content-Type"] = []string{"message/rfc822"}
		req.ContentLength = ch.Length
		if small != nil {
			req.Body = io.NopCloser(bytes.NewReader(small)) // no GetBody: net/http must not send it twice
			return req, nil, nil
		}
		b := newBody(ch, w)
		req.Body = b
		return req, b, nil
	}, rewind)
	if err != nil {
		return mail.Answer{}, err
	}
	return c.answer(r, ch)
}

// contentRange says which octets a chunk carries, after checking that they can
// be said.
func contentRange(ch mail.Chunk) (string, error) {
	end := ch.Offset + ch.Length
	switch {
	case ch.Offset < 0, ch.Length < 0, end < ch.Offset, ch.Length > 0 && ch.Body == nil,
		ch.Total >= 0 && end > ch.Total,
		ch.Total != end && ch.Length%chunkAlign != 0,
		ch.Total < 0 && ch.Length == 0:
		return "", &mail.Fault{Class: mail.Transient, Code: "bad_chunk",
			Text: fmt.Sprintf("cannot send %d octets at %d of %d", ch.Length, ch.Offset, ch.Total)}
	}
	total := "*"
	if ch.Total >= 0 {
		total = strconv.FormatInt(ch.Total, 10)
	}
	if ch.Length == 0 {
		return "bytes */" + total, nil
	}
	return "bytes " + strconv.FormatInt(ch.Offset, 10) + "-" + strconv.FormatInt(end-1, 10) + "/" + total, nil
}

// answer reads what Gmail says about the session.
func (c *Client) answer(r *reply, ch mail.Chunk) (mail.Answer, error) {
	status := r.status
	if status == http.StatusOK && r.header.Get("X-Http-Status-Code-Override") == "308" {
		status = http.StatusPermanentRedirect
	}
	switch status {
	case http.StatusOK, http.StatusCreated:
		id, ok := messageID(r.body)
		if !ok {
			return mail.Answer{}, unclear("bad_answer", "Gmail's answer to the upload makes no sense")
		}
		return mail.Answer{Done: true, GmailID: id}, nil
	case http.StatusPermanentRedirect:
		stored, ok := storedOctets(r.header)
		if !ok || !plausible(stored, ch) {
			return mail.Answer{}, unclear("bad_range", "Gmail claims to have octets that were never sent")
		}
		return mail.Answer{Stored: stored}, nil
	case http.StatusNotFound, http.StatusGone, statusCancelled:
		return mail.Answer{Gone: true}, nil
	}
	return mail.Answer{}, c.fault(kindPut, r)
}

// statusCancelled answers a session that was cancelled.
const statusCancelled = 499

// plausible checks the number of stored octets against the chunk just sent: not
// less than before it, not more than after it. A question knows the total at
// most.
func plausible(stored int64, ch mail.Chunk) bool {
	if ch.Length == 0 {
		return ch.Total < 0 || stored <= ch.Total
	}
	return ch.Offset <= stored && stored <= ch.Offset+ch.Length
}

func unclear(code, text string) *mail.Fault {
	return &mail.Fault{Class: mail.Unknown, Code: code, Text: text, Help: "the upload session is asked again"}
}

// storedOctets reads "Range: bytes=0-k" or "0-k" as k+1; no Range is 0.
func storedOctets(h http.Header) (int64, bool) {
	v := h.Values("Range")
	if len(v) == 0 {
		return 0, true
	}
	last, ok := strings.CutPrefix(strings.TrimPrefix(v[0], "bytes="), "0-")
	if !ok || len(v) > 1 || last == "" || len(last) > 15 || strings.Trim(last, "0123456789") != "" {
		return 0, false
	}
	k, err := strconv.ParseInt(last, 10, 64)
	return k + 1, err == nil
}

// messageID reads the id of the imported message. Anything but a plain id in
// plain JSON is not believed: a captive portal answers 200 as well.
func messageID(b []byte) (string, bool) {
	var m struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(b, &m) != nil || m.ID == "" || len(m.ID) > 64 {
		return "", false
	}
	for _, r := range m.ID {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' {
			return "", false
		}
	}
	return m.ID, true
}
