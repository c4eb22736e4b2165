package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	patience  = time.Minute // of the client, with a server that does not answer
	roundTrip = 5 * time.Millisecond
)

// errDead is what everything says to a process that has been killed.
var errDead = errors.New("sim: the process is dead")

// dialer opens sessions with one mailbox for one pass.
type dialer struct {
	p     *process
	b     *box
	held  *parked // a connection to go on with, or nil
	visit *visit
}

// Dial implements bridge.Dialer.
func (d *dialer) Dial(ctx context.Context) (bridge.Source, error) {
	s := &session{p: d.p, b: d.b, keep: d.b.push, visit: d.visit}
	if d.held != nil {
		d.held = nil
		return s, s.enter()
	}
	if err := d.p.pause(ctx, 10*roundTrip); err != nil {
		return nil, err
	}
	now := time.Now()
	if now.Before(d.b.down()) {
		if err := d.p.pause(ctx, 10*time.Second); err != nil {
			return nil, err
		}
		return nil, &mail.Fault{Class: mail.Transient, Code: "unreachable", Text: "the mail server cannot be reached"}
	}
	if err := d.strike(ctx); err != nil {
		return nil, err
	}
	return s, s.enter()
}

// strike is what can go wrong at the door.
func (d *dialer) strike(ctx context.Context) error {
	now := time.Now()
	switch d.b.strike("dial") {
	case cut:
		return &mail.Fault{Class: mail.Transient, Code: "tls_handshake", Text: "the mail server broke off"}
	case stall:
		if err := d.p.pause(ctx, patience); err != nil {
			return err
		}
		return &mail.Fault{Class: mail.Transient, Code: "timeout_connect", Text: "the mail server does not answer"}
	case deadHost:
		d.b.die(now.Add(time.Hour))
		return &mail.Fault{Class: mail.Transient, Code: "unreachable", Text: "the mail server cannot be reached"}
	case refuse:
		return &mail.Fault{Class: mail.Transient, Code: "server_busy", Text: "the mail server has a problem of its own"}
	case inUse:
		return locked()
	case loginDelay:
		d.b.delay(15 * time.Minute)
		return &mail.Fault{Class: mail.RateLimited, Scope: "source", Code: "login_delay", Text: "more time between logins", Until: now.Add(15 * time.Minute)}
	case wrongPassword:
		return &mail.Fault{Class: mail.Login, Code: "auth_failed", Text: "the mail server refused the login"}
	case renumber:
		d.b.renumber(nil)
	}
	return nil
}

func locked() error {
	return &mail.Fault{Class: mail.RateLimited, Scope: "source", Code: "mailbox_locked", Text: "another program has the mailbox open", Until: time.Now().Add(time.Minute)}
}

// session is one logged-in session. POP3 sees the maildrop as it was at the
// login; IMAP sees folders until they are renumbered.
type session struct {
	p       *process
	b       *box
	keep    bool // the connection may be parked
	view    []*letter
	deleted []*letter // POP3: when QUIT says so
	broken  error
	closed  bool
	asked   time.Duration // LOGIN-DELAY
	did     trace
	visit   *visit
	shown   []*letter // in the digest
	doubted []*text   // unsure since this session
}

// trace is what was asked of the source in a session.
type trace struct{ digest, list, other bool }

// enter takes the lock of a POP3 maildrop and the view of it.
func (s *session) enter() error {
	d := s.b.drop
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kind != imap {
		if d.holder != nil && !d.holder.p.dead.Load() && time.Since(d.used) < autoLogout {
			return locked()
		}
		d.holder, d.used = s, time.Now()
	}
	for _, f := range d.folders {
		s.view = append(s.view, f.letters...)
	}
	return nil
}

// at passes a step of the session and gives what befalls it; a lost connection
// is an error already.
func (s *session) at(ctx context.Context, step step) (fault, error) {
	if s.broken != nil {
		return none, s.broken
	}
	if err := s.p.alive(ctx); err != nil {
		return none, err
	}
	if !s.holds() {
		return none, s.end("autologout")
	}
	f := s.b.strike(step)
	s.b.tell(string(step), string(f))
	switch f {
	case cut:
		return none, s.end("cut")
	case stall:
		if err := s.p.pause(ctx, patience); err != nil {
			return none, err
		}
		return none, s.end("timeout")
	case freeze:
		if err := s.p.freeze(ctx); err != nil {
			return none, err
		}
		return none, s.end("cut")
	case renumber:
		if step != "delete" { // there it is known which ones only later
			s.b.renumber(nil)
			s.doubt()
		}
		return f, nil
	default:
		return f, nil
	}
}

// autoLogout is when a POP3 server gives up on a silent session (RFC 1939 3).
const autoLogout = 10 * time.Minute

// holds notes that the session is in use, and reports whether it still may be.
func (s *session) holds() bool {
	d := s.b.drop
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kind == imap {
		return true
	}
	if d.holder != s || time.Since(d.used) > autoLogout {
		return false
	}
	d.used = time.Now()
	return true
}

// doubt notes that the unique-ids of the session are not those of the maildrop
// any more: what we tell the ledger of deletions that fail, nobody understands.
func (s *session) doubt() {
	if s.b.drop.kind != pop3 {
		return
	}
	for _, l := range s.view {
		s.b.w.note(l.text, func(t *text) {
			if !t.unsure {
				t.unsure = true
				s.doubted = append(s.doubted, t)
			}
		})
	}
}

// end breaks the connection. The server rolls back what was not carried out.
func (s *session) end(code string) error {
	s.broken = &mail.Fault{Class: mail.Transient, Code: code, Text: "the connection was lost"}
	s.leave()
	return s.broken
}

func (s *session) leave() {
	d := s.b.drop
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holder == s {
		d.holder = nil
	}
}

// Digest implements the bridge's optional part of a Source.
func (s *session) Digest(ctx context.Context, w io.Writer) (bool, error) {
	s.did.digest = true
	if _, err := s.at(ctx, "digest"); err != nil {
		return false, err
	}
	d := s.b.drop
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.folders {
		fmt.Fprintf(w, "%s %d %d\n", f.name, f.validity, f.next)
		for _, l := range f.letters {
			if d.kind != imap && !s.sees(l) {
				continue
			}
			s.shown = append(s.shown, l)
			fmt.Fprintf(w, "%d %s %d %v\n", l.uid, l.uidl, len(l.raw), l.seen)
		}
	}
	return d.kind != nameless, nil
}

func (s *session) sees(l *letter) bool {
	return slices.Contains(s.view, l)
}

// LoginDelay implements the bridge's optional part of a Source.
func (s *session) LoginDelay() time.Duration {
	s.asked = s.b.wants()
	return s.asked
}

// List implements bridge.Source.
func (s *session) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		s.did.list = true
		f, err := s.at(ctx, "list")
		if f == refuse {
			err = &mail.Fault{Class: mail.Protocol, Code: "bad_listing", Text: "the listing makes no sense"}
		}
		if err != nil {
			yield(mail.Ref{}, err)
			return
		}
		for _, ref := range s.refs() {
			if !yield(ref, nil) {
				return
			}
		}
	}
}

// refs lists what the session sees now.
func (s *session) refs() (refs []mail.Ref) {
	d := s.b.drop
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kind == imap {
		for _, f := range d.folders {
			for _, l := range f.letters {
				refs = append(refs, mail.Ref{Folder: f.name, Validity: f.validity, UID: l.uid, Size: int64(len(l.raw)), Date: l.arrived, Seen: l.seen})
			}
		}
		return refs
	}
	for i, l := range s.view {
		ref := mail.Ref{Number: i + 1, Size: int64(len(l.raw))}
		if d.kind == pop3 {
			ref.UIDL = l.uidl
		}
		refs = append(refs, ref)
	}
	return refs
}

// find gives the letter of a ref: nil if it is gone, an error if the folder
// has been renumbered.
func (s *session) find(ref mail.Ref) (*letter, error) {
	d := s.b.drop
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.folders {
		if f.name == ref.Folder && d.kind == imap && f.validity != ref.Validity {
			return nil, &mail.Fault{Class: mail.Protocol, Code: "uidvalidity_changed", Text: "the server has renumbered the folder"}
		}
		for _, l := range f.letters {
			if d.kind == imap && f.name == ref.Folder && l.uid == ref.UID || d.kind != imap && ref.Number > 0 && s.view[ref.Number-1] == l {
				return l, nil
			}
		}
	}
	return nil, nil
}

func notDelivered() error {
	return &mail.Fault{Class: mail.Undelivered, Code: "not_delivered", Text: "the mail server does not hand it out"}
}

// deliver gives the letter of a ref at a step, or why it cannot be had.
func (s *session) deliver(ctx context.Context, ref mail.Ref, at step) (*letter, fault, error) {
	f, err := s.at(ctx, at)
	if err != nil {
		return nil, none, err
	}
	l, err := s.find(ref)
	if err != nil {
		return nil, none, err
	}
	if l != nil && f == vanish && s.b.remove(l) {
		l = nil
	}
	if l == nil || f == refuse || l.stuck {
		if l != nil {
			s.b.troubled(l.text)
		}
		return nil, none, notDelivered()
	}
	return l, f, nil
}

// Header implements bridge.Source.
func (s *session) Header(ctx context.Context, ref mail.Ref) (*mail.Header, error) {
	s.did.other = true
	l, _, err := s.deliver(ctx, ref, "header")
	if err != nil {
		return nil, err
	}
	return l.header(), nil
}

// Fetch implements bridge.Source.
func (s *session) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return func(yield func(*mail.Incoming, error) bool) {
		s.did.other = true
		for _, ref := range refs {
			in := &mail.Incoming{Ref: ref, Size: -1}
			l, _, err := s.deliver(ctx, ref, "fetch")
			broken := s.broken != nil
			switch {
			case broken && s.b.drop.kind != imap: // within the body
				in.Body = failing{io.ErrUnexpectedEOF}
			case err != nil && mail.ClassOf(err) == mail.Undelivered:
				if !yield(in, err) {
					return
				}
				continue
			case err != nil:
				yield(nil, err)
				return
			default:
				in.Body = strings.NewReader(l.raw)
				if s.b.drop.kind == imap {
					in.Size = int64(len(l.raw))
				}
			}
			if !yield(in, nil) {
				return
			}
			if broken {
				yield(nil, s.broken)
				return
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Delete implements bridge.Source.
func (s *session) Delete(ctx context.Context, refs []mail.Ref) error {
	letters, err := s.touch(ctx, refs, "delete")
	if err != nil {
		return err
	}
	if s.b.drop.kind != imap {
		s.deleted = append(s.deleted, letters...)
		return nil
	}
	s.b.deleted(s.b.drop.take(letters...))
	return nil
}

// Move implements bridge.Source. The other folder is read by nobody.
func (s *session) Move(ctx context.Context, refs []mail.Ref, folder string) error {
	letters, err := s.touch(ctx, refs, "delete")
	if err != nil {
		return err
	}
	if s.b.policy != bridge.Move || folder != elsewhere {
		s.b.sin("a message was moved against its owner's will")
	}
	s.b.deleted(s.b.drop.take(letters...))
	return nil
}

// elsewhere is where messages are moved to.
const elsewhere = "Archive"

// MarkSeen implements bridge.Source.
func (s *session) MarkSeen(ctx context.Context, refs []mail.Ref) error {
	letters, err := s.touch(ctx, refs, "seen")
	if err != nil {
		return err
	}
	s.b.drop.mu.Lock()
	defer s.b.drop.mu.Unlock()
	for _, l := range letters {
		l.seen = true
	}
	return nil
}

func (s *session) touch(ctx context.Context, refs []mail.Ref, at step) (letters []*letter, err error) {
	s.did.other = true
	f, err := s.at(ctx, at)
	if err != nil {
		return nil, err
	}
	if f == refuse {
		return nil, &mail.Fault{Class: mail.Transient, Code: "delete_failed", Text: "the mail server refused"}
	}
	if f == renumber && at == "delete" {
		now, err := s.letters(refs)
		if err != nil {
			return nil, err
		}
		s.b.renumber(now)
	}
	return s.letters(refs)
}

// letters are those of refs that are still there.
func (s *session) letters(refs []mail.Ref) (letters []*letter, err error) {
	for _, ref := range refs {
		l, err := s.find(ref)
		if err != nil {
			return nil, err
		}
		if l != nil {
			letters = append(letters, l)
		}
	}
	return letters, nil
}

// Close implements bridge.Source.
func (s *session) Close(ctx context.Context) error {
	defer s.leave()
	if _, err := s.at(ctx, "close"); err != nil {
		if len(s.deleted) == 0 || s.closed {
			return nil
		}
		return err // nothing was deleted
	}
	s.closed = true
	s.b.deleted(s.b.drop.take(s.deleted...))
	s.broken = &mail.Fault{Class: mail.Transient, Code: "closed", Text: "the session has ended"}
	for _, t := range s.doubted { // what the session was to delete is deleted
		s.b.w.note(t, func(t *text) { t.unsure = false })
	}
	s.b.visited(s)
	return nil
}
