package bridge

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// odd is a mail server that does some things its own way; what is nil is done
// as ever.
type odd struct {
	list   func(mail.Ref) (r mail.Ref, hidden bool)
	header func(context.Context, mail.Ref) error
	fetch  func(fetch, []mail.Ref) iter.Seq2[*mail.Incoming, error]
	remove func(remove, []mail.Ref) error
	quit   func(quit func() error) error
	dials  int // sessions so far
}

type (
	fetch  func([]mail.Ref) iter.Seq2[*mail.Incoming, error]
	remove func([]mail.Ref) error
)

// at puts it in front of a pass's mail server.
func (o *odd) at(p *Pass) { p.Dialer = oddDialer{p.Dialer, o} }

type oddDialer struct {
	Dialer
	*odd
}

func (d oddDialer) Dial(ctx context.Context) (Source, error) {
	d.dials++
	s, err := d.Dialer.Dial(ctx)
	return oddSource{s, d.odd}, err
}

type oddSource struct {
	Source
	*odd
}

func (s oddSource) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		for ref, err := range s.Source.List(ctx) {
			hidden := false
			if s.list != nil && err == nil {
				ref, hidden = s.list(ref)
			}
			if !hidden && !yield(ref, err) {
				return
			}
		}
	}
}

func (s oddSource) Header(ctx context.Context, ref mail.Ref) (*mail.Header, error) {
	if s.header != nil {
		if err := s.header(ctx, ref); err != nil {
			return nil, err
		}
	}
	return s.Source.Header(ctx, ref)
}

func (s oddSource) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	all := func(refs []mail.Ref) iter.Seq2[*mail.Incoming, error] { return s.Source.Fetch(ctx, refs) }
	if s.fetch == nil {
		return all(refs)
	}
	return s.fetch(all, refs)
}

func (s oddSource) Delete(ctx context.Context, refs []mail.Ref) error {
	all := func(refs []mail.Ref) error { return s.Source.Delete(ctx, refs) }
	if s.remove == nil {
		return all(refs)
	}
	return s.remove(all, refs)
}

func (s oddSource) Close(ctx context.Context) error {
	all := func() error { return s.Source.Close(ctx) }
	if s.quit == nil {
		return all()
	}
	return s.quit(all)
}

// tearing breaks the connection within a message, after so many octets of it.
func tearing(number int, octets int64, f *mail.Fault) *odd {
	return &odd{fetch: func(all fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
		return func(yield func(*mail.Incoming, error) bool) {
			for in, err := range all(refs) {
				tears := in != nil && in.Ref.Number == number
				if tears {
					in.Body = io.MultiReader(io.LimitReader(in.Body, octets), failing{f})
				}
				if !yield(in, err) {
					return
				}
				if tears {
					yield(nil, f)
					return
				}
			}
		}
	}}
}

// hides is a server whose SEARCH SINCE leaves out the first n messages.
func hides(n int) func(*Pass) {
	return func(p *Pass) {
		p.Since = time.Now()
		o := odd{list: func(r mail.Ref) (mail.Ref, bool) { return r, r.Number <= n }}
		o.at(p)
	}
}

// oddGmail answers some requests its own way; nil from a hook: as ever.
type oddGmail struct {
	Importer
	put   func(context.Context, mail.Chunk) error
	query func(session string) error
}

func (g oddGmail) Put(ctx context.Context, s vault.Secret, c mail.Chunk) (mail.Answer, error) {
	if g.put != nil {
		if err := g.put(ctx, c); err != nil {
			return mail.Answer{}, err
		}
	}
	return g.Importer.Put(ctx, s, c)
}

func (g oddGmail) Query(ctx context.Context, s vault.Secret, n int64) (mail.Answer, error) {
	if g.query != nil {
		if err := g.query(s.RevealString()); err != nil {
			return mail.Answer{}, err
		}
	}
	return g.Importer.Query(ctx, s, n)
}

// once gives a fault the first time, and nil from then on.
func once(f *mail.Fault) func() error {
	n := 0
	return func() error {
		if n++; n == 1 {
			return f
		}
		return nil
	}
}

func lost() *mail.Fault {
	return &mail.Fault{Class: mail.Transient, Code: "cut", Text: "the mail server broke off the connection"}
}

// killed runs a process that dies there.
func (w *world) killed(s Step, when When, policy Disposal, mutate ...func(*Pass)) {
	l := &life{die: func(at Step, wh When) bool { return at == s && wh == when }}
	if len(mutate) > 0 {
		l.mutate = mutate[0]
	}
	_, _ = w.live(w.t.Context(), l, policy)
}

// arrived fails the test if not every message is in Gmail once.
func (w *world) arrived(policy Disposal) {
	w.t.Helper()
	if err := w.verify(policy); err != nil {
		w.t.Error(err)
	}
}

// open gives the number of claims that nobody has settled.
func (w *world) open() int {
	w.t.Helper()
	c, err := w.memory.Take().Mailbox(w.box).Claims(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(c)
}
