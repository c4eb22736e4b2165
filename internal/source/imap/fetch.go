package imap

import (
	"context"
	"fmt"
	"iter"
	"slices"

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
	inFlight      = 2
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
		f := &fetch{source: s, watch: w, yield: yield, answers: make(chan answer)}
		defer f.abandon()
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
	queue   []*exchange // not yet begun
	flying  []*exchange // begun and not ended
	answers chan answer // of those
}

// run works through the groups, two at a time.
func (f *fetch) run(refs []mail.Ref) {
	for _, group := range split(refs) {
		f.queue = append(f.queue, newExchange(group, false))
	}
	for f.begin(); len(f.flying) > 0; f.begin() {
		f.watch.arm(answerTime)
		a := <-f.answers
		if a.msg == nil {
			if f.landed(a.exchange); !f.ended(a.exchange) {
				return
			}
			continue
		}
		more := f.message(a.exchange, a.msg)
		a.taken <- struct{}{}
		if !more {
			return
		}
	}
}

// begin sends the next commands, one after the other.
func (f *fetch) begin() {
	for len(f.queue) > 0 && len(f.flying) < inFlight {
		if n := len(f.flying); n > 0 {
			<-f.flying[n-1].written
		}
		x := f.queue[0]
		f.queue, f.flying = f.queue[1:], append(f.flying, x)
		f.source.guard.SetOperation(fetchTime(f.left()))
		go x.run(f.source.client, f.answers)
	}
}

func (f *fetch) landed(x *exchange) {
	f.flying = slices.DeleteFunc(f.flying, func(y *exchange) bool { return x == y })
}

// left gives the octets still to come for the commands in flight.
func (f *fetch) left() (n int64) {
	for _, x := range f.flying {
		n += x.left()
	}
	return n
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

// message yields one answer, if it is one that was asked for and has a body.
// go-imap takes the first FETCH response with the right UID for the answer,
// and that may be a change of flags. NIL, or nothing beside the UID, is how
// servers answer for a message that is gone (Dovecot does the former); it is
// reported in its place, as if there were no answer. message returns false
// when the loop is over.
func (f *fetch) message(x *exchange, msg *imapclient.FetchMessageData) bool {
	at, bare := -1, true
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			at = x.find(uint32(item.UID))
			continue
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			if at < 0 || x.fate[at] != waiting || !item.MatchCommand(whole.BodySection[0]) {
				f.source.discard(item.Literal)
				break
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
		bare = false
	}
	if at >= 0 && x.fate[at] == waiting && !bare {
		x.fate[at] = eaten
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

// ended looks at what an exchange has not brought. It returns false when the
// loop is over.
func (f *fetch) ended(x *exchange) bool {
	f.watch.rest()
	r, refused := answered(x.err)
	switch {
	case x.err != nil && !refused:
		f.yield(nil, f.source.fault("send messages", x.err))
		return false
	case x.alone:
		return f.endedAlone(x, r)
	case !refused && !f.passedOver(x, len(x.refs)):
		return false
	}
	for i := range x.refs {
		if x.fate[i] == waiting || x.fate[i] == eaten {
			f.queue = append(f.queue, newExchange(x.refs[i:i+1], true))
		}
	}
	return true
}

// endedAlone gives up on a message that its second try has not brought,
// unless the server has trouble with more than this message.
func (f *fetch) endedAlone(x *exchange, r *refusal) bool {
	ref, host := x.refs[0], f.source.cfg.Host
	if x.fate[0] == came {
		return true
	}
	if r != nil {
		if trouble := r.common(host); trouble != nil {
			f.yield(nil, trouble)
			return false
		}
	}
	return f.yield(&mail.Incoming{Ref: ref, Size: -1}, undelivered(host, ref, r, x.fate[0] == eaten))
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
func (f *fetch) abandon() {
	if rest := f.left(); rest > drainOctets {
		f.source.end(errAbandoned)
	}
	for len(f.flying) > 0 {
		f.watch.arm(answerTime)
		a := <-f.answers
		if a.msg == nil {
			f.landed(a.exchange)
			continue
		}
		for item := a.msg.Next(); item != nil; item = a.msg.Next() {
			if section, ok := item.(imapclient.FetchItemDataBodySection); ok {
				f.source.discard(section.Literal)
			}
		}
		a.taken <- struct{}{}
	}
	f.watch.rest()
}

// errAbandoned ends a Source whose caller left a Fetch with much on its way.
var errAbandoned = &mail.Fault{Class: mail.Transient, Code: "abandoned",
	Text: "the session ended with messages on their way that nobody wanted"}
