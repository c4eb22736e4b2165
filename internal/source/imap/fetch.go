package imap

import (
	"context"
	"fmt"
	"iter"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	// A group is what one UID FETCH asks for. Two are in flight, so that a
	// server is never left waiting for us between them; its answers sit in
	// the socket's buffers until we read them.
	groupMessages = 64
	groupOctets   = 1 << 20
	// drainOctets is what is read to keep a connection whose caller has had
	// enough; more is cheaper to have again by a new login.
	drainOctets = 1 << 20
	// largest bounds a literal when its message was announced smaller: sizes
	// are hints. Gmail takes 150 MiB; what is over that must be seen as such.
	largest = 256 << 20
)

// The whole message, without setting \Seen (RFC 3501 6.4.5). Never RFC822:
// iCloud answers it with nothing.
var whole = imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}

// Fetch streams the messages of refs, which are of one folder, in order. A
// message that the server passes over, or answers for without a body, is
// Undelivered; in the second case only after it was asked for once more,
// alone, at the end. A caller that leaves the loop early keeps the Source only
// if little was on its way.
func (s *Source) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return func(yield func(*mail.Incoming, error) bool) {
		if len(refs) == 0 {
			return
		}
		w := s.watch(ctx, answerTime, "send messages")
		defer w.end()
		if err := s.open(refs[0]); err != nil {
			yield(nil, err)
			return
		}
		allow(s, refs)
		defer s.guard.AllowLiterals(0, 0)
		f := &fetch{source: s, watch: w, yield: yield}
		f.run(refs)
	}
}

// allow lets the literals of refs through the guard.
func allow(s *Source, refs []mail.Ref) {
	each, all := int64(largest), int64(largest)
	for _, ref := range refs {
		each = max(each, ref.Size+ref.Size/8)
		all += ref.Size + ref.Size/8
	}
	s.guard.AllowLiterals(each, all)
}

// A fetch is one call of Fetch under way.
type fetch struct {
	source  *Source
	watch   *watch
	yield   func(*mail.Incoming, error) bool
	missing []mail.Ref // to be asked for once more
}

// run asks for group after group, the next one while one is read.
func (f *fetch) run(refs []mail.Ref) {
	groups := split(refs)
	cur, next := f.send(groups[0]), (*exchange)(nil)
	for i := range groups {
		cur.sent() // commands stay in order
		next = nil
		if i+1 < len(groups) {
			next = f.send(groups[i+1])
		}
		if !f.receive(cur) {
			f.abandon(cur, next)
			return
		}
		cur = next
	}
	for _, ref := range f.missing {
		if !f.again(ref) {
			return
		}
	}
}

// split cuts refs into groups of ascending UIDs.
func split(refs []mail.Ref) (groups [][]mail.Ref) {
	first, octets := 0, int64(0)
	for i, ref := range refs {
		if i > first && (i-first == groupMessages || octets+ref.Size > groupOctets || ref.UID <= refs[i-1].UID) {
			groups = append(groups, refs[first:i])
			first, octets = i, 0
		}
		octets += ref.Size
	}
	return append(groups, refs[first:])
}

// receive yields what arrives for one group. It returns false when the loop
// is over.
func (f *fetch) receive(x *exchange) bool {
	s := f.source
	s.guard.SetOperation(fetchTime(x.announced()))
	for {
		f.watch.arm(answerTime)
		msg := x.cmd.Next()
		if msg == nil {
			break
		}
		if !f.message(x, msg) {
			return false
		}
	}
	err := x.cmd.Close()
	f.watch.rest()
	_, refused := answered(err)
	if err != nil && !refused {
		f.yield(nil, s.fault("send messages", err))
		return false
	}
	if !refused && !f.passedOver(x, len(x.refs)) {
		return false
	}
	for i, ref := range x.refs {
		if x.fate[i] == waiting || x.fate[i] == eaten {
			f.missing = append(f.missing, ref)
		}
	}
	return true
}

// passedOver reports the messages before the end-th that the server has left
// out: it answers by ascending UID, so they will not come any more.
func (f *fetch) passedOver(x *exchange, end int) bool {
	for i, ref := range x.refs[:end] {
		if x.fate[i] != waiting {
			continue
		}
		x.fate[i] = gone
		if !f.yield(&mail.Incoming{Ref: ref, Size: -1}, undelivered(f.source.cfg.Host, ref, nil, false)) {
			return false
		}
	}
	return true
}

// message yields one answer, if it is one that was asked for and has a body.
// go-imap takes the first FETCH response with the right UID for the answer,
// and that may be a change of flags.
func (f *fetch) message(x *exchange, msg *imapclient.FetchMessageData) bool {
	at := -1
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			at = x.find(uint32(item.UID))
		case imapclient.FetchItemDataBodySection:
			if at < 0 || x.fate[at] != waiting || item.Literal == nil || !item.MatchCommand(whole.BodySection[0]) {
				f.source.discard(item.Literal)
				continue
			}
			f.watch.rest()
			if !f.passedOver(x, at) {
				return false
			}
			x.fate[at] = came
			if !f.deliver(x.refs[at], item.Literal) {
				return false
			}
		}
	}
	if at >= 0 && x.fate[at] == waiting {
		x.fate[at] = eaten
	}
	return true
}

// deliver hands one message to the caller, and discards what he left.
func (f *fetch) deliver(ref mail.Ref, lit imap.LiteralReader) bool {
	if lit.Size() > ref.Size {
		f.source.guard.SetOperation(fetchTime(lit.Size()))
	}
	in := &incoming{body: body{source: f.source, lit: lit, left: lit.Size()}}
	in.Incoming = mail.Incoming{Ref: ref, Size: lit.Size(), Body: &in.body}
	more := f.yield(&in.Incoming, nil)
	if !more && in.body.left > drainOctets {
		f.source.end(errAbandoned)
	}
	f.watch.arm(fetchTime(in.body.left))
	in.body.discard()
	f.watch.arm(answerTime)
	if cause := f.source.ended(); cause != nil && more {
		f.yield(nil, cause)
		return false
	}
	return more
}

// again asks for one message alone.
func (f *fetch) again(ref mail.Ref) bool {
	s := f.source
	f.watch.arm(answerTime)
	s.guard.SetOperation(fetchTime(ref.Size))
	x := f.send([]mail.Ref{ref})
	x.sent()
	for msg := x.cmd.Next(); msg != nil; msg = x.cmd.Next() {
		if !f.message(x, msg) {
			f.abandon(x, nil)
			return false
		}
		f.watch.arm(answerTime)
	}
	err := x.cmd.Close()
	f.watch.rest()
	r, refused := answered(err)
	switch {
	case err != nil && !refused:
		f.yield(nil, s.fault("send a message", err))
		return false
	case x.fate[0] == came:
		return true
	case refused && r.common(s.cfg.Host) != nil:
		f.yield(nil, r.common(s.cfg.Host))
		return false
	}
	return f.yield(&mail.Incoming{Ref: ref, Size: -1}, undelivered(s.cfg.Host, ref, r, x.fate[0] == eaten))
}

// undelivered says why a message cannot be had: removed, refused, or answered
// with something else.
func undelivered(host string, ref mail.Ref, r *refusal, answered bool) *mail.Fault {
	f := &mail.Fault{Class: mail.Undelivered, Help: "it stays where it is and is tried again"}
	switch {
	case r != nil && r.code != "EXPUNGEISSUED": // RFC 5530 3
		f.Code, f.Text, f.Err = "source_refused", fmt.Sprintf("%s refuses to send %s", host, ref), r
	case answered:
		f.Code, f.Text = "source_no_body", fmt.Sprintf("%s answers for %s without the message", host, ref)
	default:
		f.Code, f.Text, f.Help = "source_gone", fmt.Sprintf("%s has been removed at %s meanwhile", ref, host), ""
	}
	return f
}

// abandon ends commands that nobody reads any more: by reading what little
// they still bring, or by closing the connection first, since go-imap's
// reader would wait for ever for somebody to take a literal.
func (f *fetch) abandon(cur, next *exchange) {
	rest := cur.left()
	if next != nil {
		rest += next.announced()
	}
	if rest > drainOctets {
		f.source.end(errAbandoned)
	}
	f.watch.arm(fetchTime(rest))
	f.source.drain(cur)
	if next != nil {
		next.sent()
		f.source.drain(next)
	}
	f.watch.rest()
}

// drain reads an exchange to its end.
func (s *Source) drain(x *exchange) {
	for msg := x.cmd.Next(); msg != nil; msg = x.cmd.Next() {
		for item := msg.Next(); item != nil; item = msg.Next() {
			if section, ok := item.(imapclient.FetchItemDataBodySection); ok {
				s.discard(section.Literal)
			}
		}
	}
	_ = x.cmd.Close()
}

// errAbandoned ends a Source whose caller left a Fetch with much on its way.
var errAbandoned = &mail.Fault{Class: mail.Transient, Code: "abandoned",
	Text: "the session ended with messages on their way that nobody wanted"}
