package pop3

import (
	"context"
	"iter"
	"strconv"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	// window is how many commands are sent ahead of their answers (RFC 2449
	// 6.6). They are a few octets each, so they never block on a full socket.
	window = 16
	// aheadOctets bounds what is asked for behind the message being read: it
	// has to be read off the line when the reader gives up.
	aheadOctets = 1 << 20
	// discardOctets is how much of an abandoned message is read off the line
	// before a new connection is cheaper.
	discardOctets = 64 << 20
	// unknownSize stands in for a size that LIST does not give.
	unknownSize = 64 << 10
)

// batch sends one command for each ref and takes the answers in order.
type batch struct {
	s    *Source
	refs []mail.Ref
	verb string
	tail string // behind the number
	sent int
	done int
}

// next makes sure that enough commands are under way and reads the status
// line of the next answer.
func (b *batch) next() (mail.Ref, reply, error) {
	if err := b.fill(); err != nil {
		return mail.Ref{}, reply{}, err
	}
	return b.answer()
}

func (b *batch) answer() (mail.Ref, reply, error) {
	ref := b.refs[b.done]
	r, err := b.s.reply()
	b.done++
	return ref, r, err
}

// fill tops up the window, by halves: few larger writes instead of many.
func (b *batch) fill() error {
	limit := 1
	if b.s.caps.pipelining {
		limit = window
	}
	if b.sent-b.done > limit/2 {
		return nil
	}
	var commands []string
	for b.sent < len(b.refs) && b.sent-b.done < limit {
		if b.sent > b.done && b.ahead(b.sent+1) > aheadOctets {
			break
		}
		commands = append(commands, b.verb+" "+strconv.Itoa(b.refs[b.sent].Number)+b.tail)
		b.sent++
	}
	if len(commands) == 0 {
		return nil
	}
	return b.s.send(commands...)
}

// ahead is how many octets lie behind the answer that is next, if the first
// to commands are under way.
func (b *batch) ahead(to int) (n int64) {
	for _, ref := range b.refs[min(b.done+1, to):to] {
		n += b.weight(ref)
	}
	return n
}

// weight is the expected length of an answer.
func (b *batch) weight(ref mail.Ref) int64 {
	switch {
	case b.verb != "RETR":
		return 0
	case ref.Size <= 0:
		return unknownSize
	}
	return ref.Size
}

// Fetch streams the messages of refs in order. What the consumer leaves of a
// message is read off the line; where it gives up altogether and that would be
// more than aheadOctets, the Source ends instead.
func (s *Source) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return func(yield func(*mail.Incoming, error) bool) {
		end, err := s.begin(ctx, noLimit)
		if err != nil {
			yield(nil, err)
			return
		}
		defer end()
		b := batch{s: s, refs: refs, verb: "RETR"}
		for range refs {
			ref, r, err := b.next()
			if err != nil {
				yield(nil, err)
				return
			}
			body := s.body(r)
			if !r.ok {
				err = undelivered(ref, r)
				body.err = err
			}
			if !yield(&mail.Incoming{Ref: ref, Size: -1, Body: body}, err) {
				b.giveUp(ref, body)
				return
			}
			if !body.finish(discardOctets) {
				yield(nil, s.fail(reconnect()))
				return
			}
		}
	}
}

// body begins the answer whose status line was r.
func (s *Source) body(r reply) *body {
	return &body{r: s.conn.Reader(), bareLF: r.bareLF, broke: s.fail}
}

// giveUp brings the connection back in step when the consumer has broken out
// of the iteration, or ends it where that would take too much.
func (b *batch) giveUp(ref mail.Ref, last *body) {
	var rest int64
	if last.err == nil {
		rest = max(0, b.weight(ref)-last.n)
	}
	for _, ref := range b.refs[b.done:b.sent] {
		rest += b.weight(ref)
	}
	left := int64(2 * aheadOctets) // announced sizes are hints
	inStep := rest <= aheadOctets && last.finish(left)
	for inStep && b.done < b.sent {
		_, r, err := b.answer()
		if err != nil {
			return
		}
		if r.ok {
			inStep = b.s.body(r).finish(left)
		}
	}
	if !inStep {
		_ = b.s.fail(reconnect())
	}
}
