package plugins

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"runtime"
	"sync"

	"github.com/smtp-sync/smtp-sync/plugins/field"
)

// Serve is the other end of Options.Worker: it gives up what a process can give
// up, then runs plugins for the host at the two pipes until in ends. It is all
// that its process does.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	o.Worker = nil
	h, err := New(ctx, o)
	if err != nil {
		return err
	}
	if err := confine(); err != nil {
		return err
	}
	s := &server{host: h, out: out, rules: map[snapshotKey]*Rule{}}
	h.room, h.gone = cmp.Or(o.Modules, maxModules), s.forget
	return s.serve(ctx, in)
}

// maxRules is how many rules a worker keeps ready. Beyond them all are made again.
const maxRules = 10_000

type server struct {
	host *Host

	writing sync.Mutex
	out     io.Writer

	mu    sync.Mutex
	rules map[snapshotKey]*Rule
}

// serve answers requests as they are done. Whoever reads a request about a message
// answers it, while another reads the next: nobody is woken for it, which would
// take longer than most rules. The host sends no more at once than it has slots,
// and those that compile.
func (s *server) serve(ctx context.Context, in io.Reader) error {
	in = bufio.NewReaderSize(in, 64<<10)
	var reading sync.Mutex
	ended := make(chan error, readers)
	for range readers {
		go func() { ended <- s.follow(ctx, in, &reading) }()
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		return err
	}
	return nil // the host is gone
}

// readers is how many messages are looked at side by side; more wait for a slot
// anyway.
var readers = runtime.GOMAXPROCS(0) + 1

func (s *server) follow(ctx context.Context, in io.Reader, reading *sync.Mutex) error {
	for {
		var q request
		reading.Lock()
		octets, err := readFrame(in, maxRequest, &q)
		reading.Unlock()
		if err != nil {
			return err
		}
		if q.Op == opRun {
			err = s.answer(q.ID, s.do(ctx, &q, octets))
		} else {
			go func() { _ = s.answer(q.ID, s.do(ctx, &q, octets)) }()
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) answer(id uint64, r reply) error {
	r.ID = id
	b, err := appendFrame(nil, &r, nil)
	if err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err = s.out.Write(b)
	return err
}

func (s *server) do(ctx context.Context, q *request, octets []byte) (r reply) {
	switch q.Op {
	case opLoad:
		_, err := s.host.Load(ctx, octets)
		return failure(err)
	case opRule:
		return s.rule(ctx, q, octets)
	case opRun:
		rule := s.get(q.key())
		if rule == nil {
			return reply{Class: Forgotten}
		}
		h, ref := q.header(octets)
		out, err := rule.Run(ctx, field.Of(h, ref, &field.Mailbox{Name: q.Mailbox, Authserv: q.Authserv}))
		r = failure(err)
		r.Outcome = out
		return r
	case opDrop:
		s.mu.Lock()
		rule := s.rules[q.key()]
		delete(s.rules, q.key())
		s.mu.Unlock()
		if rule != nil {
			rule.Forget()
		}
	case opForget:
		s.forget(q.Plugin)
		return failure(s.host.Forget(ctx, q.Plugin))
	}
	return reply{}
}

// forget drops the rules of a plugin.
func (s *server) forget(plugin Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.rules, func(key snapshotKey, _ *Rule) bool { return key.plugin == plugin })
}

func (s *server) rule(ctx context.Context, q *request, settings []byte) reply {
	s.host.mu.Lock()
	l := s.host.plugins[q.Plugin]
	s.host.mu.Unlock()
	if l == nil || l.plugin == nil {
		return reply{Class: Forgotten}
	}
	rule, err := l.plugin.Rule(ctx, settings)
	if err == nil {
		s.mu.Lock()
		if len(s.rules) >= maxRules {
			clear(s.rules)
		}
		s.rules[q.key()] = rule
		s.mu.Unlock()
	}
	return failure(err)
}

func (s *server) get(key snapshotKey) *Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules[key]
}

// failure is what the host makes a fault of again.
func failure(err error) reply {
	fault, ok := errors.AsType[*Fault](err)
	switch {
	case err == nil:
		return reply{}
	case ok:
		return reply{Class: fault.Class, Number: fault.Number, Detail: fault.Detail}
	}
	return reply{Class: Instantiate} // the host looked at it before: it cannot be refused
}
