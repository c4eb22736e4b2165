package bridge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// world is everything outside a pass: a maildrop, Gmail, and the durable
// ledger. It outlives the processes that a test kills.
type world struct {
	t      testing.TB
	box    id.Mailbox
	drop   *maildrop
	gmail  *fakeGmail
	memory *ledger.Memory
}

func newWorld(t testing.TB, kind kind, raws ...string) *world {
	w := &world{
		t: t, box: id.New[id.Mailbox](), memory: ledger.NewMemory(),
		drop: &maildrop{kind: kind, validity: 7}, gmail: &fakeGmail{sessions: map[string]*upload{}, copies: map[string]int{}, labels: map[string][]string{}},
	}
	for _, raw := range raws {
		w.drop.add(raw)
	}
	return w
}

// kind of source.
type kind int

const (
	pop3     kind = iota // unique-ids
	nameless             // POP3 without usable unique-ids
	imap
)

func (k kind) String() string { return [...]string{"pop3", "nameless", "imap"}[k] }

// life is one process: once dead, nothing it does has an effect.
type life struct {
	dead   atomic.Bool
	die    func(Step, When) bool // kills the process there
	mutate func(*Pass)
}

var errDead = errors.New("killed")

// live runs one pass in a process of its own.
func (w *world) live(ctx context.Context, l *life, policy Disposal) (Report, error) {
	p := Pass{
		Dialer: &deadly{l, w.drop}, Gmail: &deadlyGmail{l, w.gmail},
		Ledger: &deadlyLedger{l, w.memory.Take().Mailbox(w.box)},
		Keys:   testKeys{}, Budget: noBudget{}, AfterImport: policy, Parallel: 4,
		Hook: func(s Step, when When) error {
			if l.dead.Load() {
				return errDead
			}
			if l.die != nil && l.die(s, when) {
				l.dead.Store(true)
				return errDead
			}
			return nil
		},
	}
	if w.drop.kind == imap {
		p.Folders, p.Connections, p.MoveTo = []string{"INBOX"}, 2, "Archive"
	}
	if l.mutate != nil {
		l.mutate(&p)
	}
	return Sync(ctx, p)
}

// message makes a mail of about size octets that no other is equal to.
func message(n, size int) string {
	head := fmt.Sprintf("Received: from a.example by b.example; id %d\r\nMessage-ID: <%d@a.example>\r\n"+
		"From: x@a.example\r\nDate: Mon, 2 Jan 2006 15:04:05 +0000\r\nSubject: %d\r\n\r\n", n, n, n)
	line := fmt.Sprintf("%d: all work and no play\r\n", n)
	return head + strings.Repeat(line, max(1, (size-len(head))/len(line)))
}

// verify is the oracle: every message ever put into the maildrop is in Gmail
// once, and the source is as the policy says.
func (w *world) verify(policy Disposal) error {
	for raw := range w.drop.ever {
		if n := w.gmail.copies[raw]; n != w.drop.ever[raw] {
			return fmt.Errorf("message %q is in Gmail %d times, want %d", subject(raw), n, w.drop.ever[raw])
		}
	}
	for raw := range w.gmail.copies {
		if w.drop.ever[raw] == 0 {
			return fmt.Errorf("Gmail has a message that never was: %d octets", len(raw))
		}
	}
	for _, m := range w.drop.mails {
		switch {
		case policy == Delete, policy == Move:
			return fmt.Errorf("message %q is still at the source", subject(m.raw))
		case policy == Seen && !m.seen:
			return fmt.Errorf("message %q is not marked seen", subject(m.raw))
		}
	}
	if policy == Move && !maps.Equal(w.drop.moved, inFolder("Archive ", w.drop.ever)) {
		return fmt.Errorf("%d messages are in the other folder, of %d", len(w.drop.moved), len(w.drop.ever))
	}
	if policy != Delete && policy != Move && len(w.drop.mails) != w.drop.count() {
		return fmt.Errorf("%d messages left at the source of %d", len(w.drop.mails), w.drop.count())
	}
	lines := 0
	for _, l := range w.memory.Lines(w.box) {
		switch l.Status {
		case mail.Imported:
			lines++
		case mail.Failed: // tried again
		default:
			return fmt.Errorf("the audit says %s (%s)", l.Status, l.Reason)
		}
	}
	if lines != w.drop.count() {
		return fmt.Errorf("the audit has %d imported messages, want %d", lines, w.drop.count())
	}
	return nil
}

func inFolder(folder string, all map[string]int) map[string]int {
	out := map[string]int{}
	for raw, n := range all {
		out[folder+raw] = n
	}
	return out
}

func subject(raw string) string {
	return mail.ParseHeader([]byte(raw[:min(len(raw), 400)])).Get("Subject")
}

// maildrop is a remote mailbox.
type maildrop struct {
	mu       sync.Mutex
	kind     kind
	validity uint32
	uid      uint32
	mails    []*fakeMail
	ever     map[string]int
	lie      int64                          // added to announced sizes
	announce func(size int64) int64         // nil: the truth
	cut      func(ref mail.Ref) (int, bool) // breaks the connection after so many octets
	read     atomic.Int64                   // octets of messages that were taken
	headers  atomic.Int64                   // header sections that were asked for by themselves
	moved    map[string]int                 // to another folder
	deaf     bool                           // says yes to deletions and keeps the mail
	cannot   *mail.Fault                    // what it says to deletions and moves; nil: yes
}

type fakeMail struct {
	uid     uint32
	raw     string
	seen    bool
	flagged bool // as deleted
	starred bool
}

func (d *maildrop) add(raw string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uid++
	d.mails = append(d.mails, &fakeMail{uid: d.uid, raw: raw})
	if d.ever == nil {
		d.ever = make(map[string]int)
	}
	d.ever[raw]++
}

func (d *maildrop) count() (n int) {
	for _, k := range d.ever {
		n += k
	}
	return n
}

func (d *maildrop) find(ref mail.Ref) *fakeMail {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, m := range d.mails {
		if d.ref(i, m) == ref || d.kind != imap && ref.Number == int(m.uid) {
			return m
		}
	}
	return nil
}

func (d *maildrop) ref(i int, m *fakeMail) mail.Ref {
	r := mail.Ref{Number: int(m.uid), Size: int64(len(m.raw)) + d.lie}
	if d.announce != nil {
		r.Size = d.announce(r.Size)
	}
	switch d.kind {
	case pop3:
		r.UIDL = fmt.Sprint("u", m.uid)
	case imap:
		r.Folder, r.Validity, r.UID, r.Seen = "INBOX", d.validity, m.uid, m.seen
		r.Deleted, r.Flagged = m.flagged, m.starred
	}
	return r
}

// deadly dials sessions that die with their process.
type deadly struct {
	l *life
	d *maildrop
}

func (s *deadly) Dial(context.Context) (Source, error) {
	if s.l.dead.Load() {
		return nil, errDead
	}
	return &fakeSource{l: s.l, d: s.d}, nil
}

type fakeSource struct {
	l       *life
	d       *maildrop
	deleted []mail.Ref
}

func (s *fakeSource) List(context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		if s.l.dead.Load() {
			yield(mail.Ref{}, errDead)
			return
		}
		s.d.mu.Lock()
		var refs []mail.Ref
		for i, m := range s.d.mails {
			refs = append(refs, s.d.ref(i, m))
		}
		s.d.mu.Unlock()
		for _, r := range refs {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (s *fakeSource) Header(_ context.Context, ref mail.Ref) (*mail.Header, error) {
	m := s.d.find(ref)
	if s.l.dead.Load() || m == nil {
		return nil, &mail.Fault{Class: mail.Undelivered, Code: "source_gone"}
	}
	s.d.headers.Add(1)
	section := m.raw[:mail.HeaderEnd([]byte(m.raw))]
	h := mail.ParseHeader([]byte(section[:min(len(section), mail.MaxHeader)]))
	if len(section) > mail.MaxHeader {
		h.SetTruncated()
	}
	return h, nil
}

func (s *fakeSource) Fetch(_ context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return func(yield func(*mail.Incoming, error) bool) {
		for _, ref := range refs {
			m := s.d.find(ref)
			if s.l.dead.Load() {
				yield(nil, errDead)
				return
			}
			in := &mail.Incoming{Ref: ref, Size: -1}
			if m == nil {
				if !yield(in, &mail.Fault{Class: mail.Undelivered, Code: "source_gone"}) {
					return
				}
				continue
			}
			if s.d.kind == imap {
				in.Size = int64(len(m.raw))
			}
			body := io.Reader(strings.NewReader(m.raw))
			broken := false
			if s.d.cut != nil {
				if n, cut := s.d.cut(ref); cut && n < len(m.raw) {
					broken = true
					body = io.MultiReader(strings.NewReader(m.raw[:n]), failing{io.ErrUnexpectedEOF})
				}
			}
			in.Body = &taken{body, &s.d.read}
			if !yield(in, nil) {
				return
			}
			if broken {
				yield(nil, &mail.Fault{Class: mail.Transient, Code: "cut", Text: "connection lost"})
				return
			}
		}
	}
}

// taken counts what is read.
type taken struct {
	io.Reader
	octets *atomic.Int64
}

func (r *taken) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.octets.Add(int64(n))
	return n, err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (s *fakeSource) remove(refs []mail.Ref) {
	if s.d.deaf {
		return
	}
	for _, ref := range refs {
		m := s.d.find(ref)
		s.d.mu.Lock()
		s.d.mails = slices.DeleteFunc(s.d.mails, func(o *fakeMail) bool { return o == m })
		s.d.mu.Unlock()
	}
}

func (s *fakeSource) Delete(_ context.Context, refs []mail.Ref) error {
	if s.l.dead.Load() {
		return errDead
	}
	if s.d.cannot != nil {
		return s.d.cannot
	}
	if s.d.kind == imap {
		s.remove(refs)
		return nil
	}
	s.deleted = append(s.deleted, refs...)
	return nil
}

func (s *fakeSource) Move(_ context.Context, refs []mail.Ref, folder string) error {
	if s.l.dead.Load() {
		return errDead
	}
	if s.d.cannot != nil {
		return s.d.cannot
	}
	for _, ref := range refs {
		if m := s.d.find(ref); m != nil {
			if s.d.moved == nil {
				s.d.moved = map[string]int{}
			}
			s.d.moved[folder+" "+m.raw]++
		}
	}
	s.remove(refs)
	return nil
}

func (s *fakeSource) MarkSeen(_ context.Context, refs []mail.Ref) error {
	if s.l.dead.Load() {
		return errDead
	}
	for _, ref := range refs {
		if m := s.d.find(ref); m != nil {
			m.seen = true
		}
	}
	return nil
}

func (s *fakeSource) Close(context.Context) error {
	if s.l.dead.Load() {
		return errDead
	}
	s.remove(s.deleted)
	return nil
}

// fakeGmail keeps sessions as the fact sheet describes them.
type fakeGmail struct {
	mu       sync.Mutex
	sessions map[string]*upload
	copies   map[string]int
	labels   map[string][]string // of the last copy
	// lose decides whether the answer to a request is lost, before or after
	// it took effect.
	lose func() (before, after bool)
	// partial makes Gmail keep less of a chunk than was sent.
	partial func() bool
	// expireOnCommit loses the answer to the Put that commits, and the session.
	expireOnCommit bool
}

type upload struct {
	labels     []string
	stored     []byte
	done, gone bool
}

func (g *fakeGmail) loses() (bool, bool) {
	if g.lose == nil {
		return false, false
	}
	return g.lose()
}

func unknown() error {
	return &mail.Fault{Class: mail.Unknown, Code: "answer_lost", Text: "answer lost"}
}

func (g *fakeGmail) Open(_ context.Context, u mail.Upload) (vault.Secret, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if before, after := g.loses(); before || after {
		return vault.Secret{}, &mail.Fault{Class: mail.Transient, Code: "unavailable", Text: "503"}
	}
	name := fmt.Sprint("session-", len(g.sessions))
	g.sessions[name] = &upload{labels: u.LabelIDs}
	return vault.NewSecret(name), nil
}

func (g *fakeGmail) Put(_ context.Context, s vault.Secret, c mail.Chunk) (mail.Answer, error) {
	var body bytes.Buffer
	_, bodyErr := io.CopyN(&body, c.Body, c.Length)
	g.mu.Lock()
	defer g.mu.Unlock()
	before, after := g.loses()
	u := g.sessions[s.RevealString()]
	switch {
	case before:
		return mail.Answer{}, unknown()
	case u.gone:
		return mail.Answer{Gone: true}, nil
	case u.done:
		return mail.Answer{Done: true}, nil
	case c.Offset == int64(len(u.stored)):
		got := body.Bytes()
		if bodyErr != nil || g.partial != nil && g.partial() {
			got = got[:len(got)/chunkAlign*chunkAlign]
		}
		u.stored = append(u.stored, got...)
	}
	if bodyErr == nil && int64(len(u.stored)) == c.Total {
		u.done = true
		g.copies[string(u.stored)]++
		g.labels[string(u.stored)] = u.labels
		if g.expireOnCommit {
			u.gone, after = true, true
		}
	}
	if bodyErr != nil || after {
		return mail.Answer{}, unknown()
	}
	return mail.Answer{Done: u.done, Stored: int64(len(u.stored))}, nil
}

func (g *fakeGmail) Query(_ context.Context, s vault.Secret, _ int64) (mail.Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if before, after := g.loses(); before || after {
		return mail.Answer{}, unknown()
	}
	u := g.sessions[s.RevealString()]
	if u.gone {
		return mail.Answer{Gone: true}, nil
	}
	return mail.Answer{Done: u.done, Stored: int64(len(u.stored))}, nil
}

func (g *fakeGmail) Label(_ context.Context, name string) (string, error) {
	return "Label_" + name, nil
}

// deadlyGmail and deadlyLedger refuse everything once their process is dead.
type deadlyGmail struct {
	l *life
	*fakeGmail
}

func (g *deadlyGmail) Open(ctx context.Context, u mail.Upload) (vault.Secret, error) {
	if g.l.dead.Load() {
		return vault.Secret{}, errDead
	}
	return g.fakeGmail.Open(ctx, u)
}

func (g *deadlyGmail) Put(ctx context.Context, s vault.Secret, c mail.Chunk) (mail.Answer, error) {
	if g.l.dead.Load() {
		return mail.Answer{}, errDead
	}
	return g.fakeGmail.Put(ctx, s, c)
}

func (g *deadlyGmail) Query(ctx context.Context, s vault.Secret, n int64) (mail.Answer, error) {
	if g.l.dead.Load() {
		return mail.Answer{}, errDead
	}
	return g.fakeGmail.Query(ctx, s, n)
}

type deadlyLedger struct {
	l *life
	Ledger
}

func (d *deadlyLedger) alive(do func() error) error {
	if d.l.dead.Load() {
		return errDead
	}
	return do()
}

func (d *deadlyLedger) Claim(ctx context.Context, c ledger.Claim) error {
	return d.alive(func() error { return d.Ledger.Claim(ctx, c) })
}

func (d *deadlyLedger) Renew(ctx context.Context, k ledger.Key, a, b vault.Secret) error {
	return d.alive(func() error { return d.Ledger.Renew(ctx, k, a, b) })
}

func (d *deadlyLedger) Checkpoint(ctx context.Context, k ledger.Key, c ledger.Checkpoint) error {
	return d.alive(func() error { return d.Ledger.Checkpoint(ctx, k, c) })
}

func (d *deadlyLedger) Settle(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	return d.alive(func() error { return d.Ledger.Settle(ctx, k, o) })
}

func (d *deadlyLedger) Record(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	return d.alive(func() error { return d.Ledger.Record(ctx, k, o) })
}

func (d *deadlyLedger) Remap(ctx context.Context, m []ledger.Move) error {
	return d.alive(func() error { return d.Ledger.Remap(ctx, m) })
}

func (d *deadlyLedger) Listed(ctx context.Context, a, p []ledger.Key) error {
	return d.alive(func() error { return d.Ledger.Listed(ctx, a, p) })
}

// testKeys are keyed with nothing.
type testKeys struct{}

func (testKeys) sum(parts ...string) (k mail.Key) {
	h := hmac.New(sha256.New, []byte("test"))
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	copy(k[:], h.Sum(nil))
	return k
}

func (k testKeys) ID(r mail.Ref) mail.Key {
	key := k.sum("id", string(r.AppendID(nil)))
	folder := k.sum("folder", r.Folder)
	validity := k.sum("validity", fmt.Sprint(r.Validity))
	copy(key[:4], folder[:])
	copy(key[4:6], validity[:])
	return key
}

func (k testKeys) Content(h *mail.Header) mail.Key {
	return k.sum("content", h.Get("Message-ID"), h.Get("Date"), h.Get("From"), h.Get("Received"), h.Get("Subject"))
}

func (k testKeys) Occurrence(c mail.Key, n int) mail.Key {
	key := k.sum("occurrence", string(c[:]), fmt.Sprint(n))
	tag := k.ID(mail.Ref{UIDL: "x"})
	copy(key[:6], tag[:6])
	return key
}

func (testKeys) Stream() hash.Hash { return hmac.New(sha256.New, []byte("stream")) }

type noBudget struct{}

func (noBudget) Reserve(_ context.Context, sizes []int64) (int, error) { return len(sizes), nil }
func (noBudget) Refund(context.Context, int, int64)                    {}
func (noBudget) Throttled(*mail.Fault)                                 {}

// chance is a seeded coin, safe for concurrent use.
type chance struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newChance(seed uint64) *chance { return &chance{r: rand.New(rand.NewPCG(seed, 1))} }

func (c *chance) of(p float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.Float64() < p
}

func (c *chance) n(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.IntN(n)
}
