package imap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/sasl"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// What a server may take for an exchange, and what it may say in one. While
// the caller holds a message the clock stands still.
const (
	greetTime  = 30 * time.Second
	loginTime  = 30 * time.Second
	listTime   = 2 * time.Minute
	answerTime = time.Minute // select, store, the first octet of a message
	byeTime    = 3 * time.Second
	minRate    = 32 << 10 // octets a second of a message

	maxAnswer = 192 << 20 // octets beside message bodies: a listing of maxListed
)

// fetchTime is what a server may take for n octets.
func fetchTime(n int64) time.Duration {
	return answerTime + time.Duration(n/minRate)*time.Second
}

// Source is one logged-in session. It is used by one goroutine at a time.
type Source struct {
	cfg    Config
	dialer *Dialer
	raw    net.Conn // closing it ends every wait
	hold   *hold    // the secured connection
	guard  *dial.Conn
	lease  *lease
	client *imapclient.Client
	can    abilities

	snapshot               // the selected folder; its name is "" if there is none
	fresh    bool          // it was selected for Digest, and nothing was done since
	expunged atomic.Uint32 // messages removed since, as go-imap's reader saw

	scratch []byte // for octets nobody wants

	mu    sync.Mutex
	cause *mail.Fault // why the Source is finished; nil: it is not
	left  bool        // its connection belongs to somebody else by now
}

// open makes a session. An access token may end before its time (RFC 6749
// 10.3): one that is refused is replaced once.
func (d *Dialer) open(ctx context.Context) (*Source, error) {
	cfg, err := d.cfg.entitled(ctx, vault.Secret{})
	if err != nil {
		return nil, err
	}
	s, err := d.connect(ctx, cfg)
	if err == nil || cfg.Token == nil || !sasl.IsStale(err) {
		return s, err
	}
	if cfg, err = cfg.entitled(ctx, cfg.Password); err != nil {
		return nil, err
	}
	return d.connect(ctx, cfg)
}

func (d *Dialer) connect(ctx context.Context, cfg Config) (*Source, error) {
	raw, err := d.cfg.Dial.Dial(ctx, d.cfg.Host, d.cfg.Port)
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, dialer: d, raw: raw}
	if err := s.start(ctx); err != nil {
		return nil, s.end(lost(d.cfg.Host, err))
	}
	return s, nil
}

// start secures the connection, logs in and hands over to go-imap.
func (s *Source) start(ctx context.Context) error {
	p, err := s.greet(ctx)
	if err != nil {
		return err
	}
	w := s.watch(ctx, loginTime, "log us in")
	defer w.end()
	if err := p.capability(); err != nil {
		return err
	}
	if err := p.authenticate(s.cfg); err != nil {
		return err
	}
	ahead, _ := p.r.Peek(p.r.Buffered())
	can := p.abilities()
	return s.handOver(can, append(greeting(can), ahead...))
}

// handOver gives the connection to go-imap, which reads head first.
func (s *Source) handOver(can abilities, head []byte) error {
	s.can = can
	s.lease = &lease{Conn: s.guard, head: head}
	s.client = imapclient.New(s.lease, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Expunge: func(uint32) { s.expunged.Add(1) },
		},
	})
	return s.client.WaitGreeting()
}

// greet gets to the first line that is worth believing: inside TLS.
func (s *Source) greet(ctx context.Context) (*preamble, error) {
	w := s.watchAs(ctx, greetTime, "greet us", "timeout_greeting")
	defer w.end()
	if s.cfg.Security == STARTTLS {
		// The guard and its reader end here: what is left in them is never used.
		if err := newPreamble(s.cfg.Host, dial.Guard(s.raw, dial.Limits{})).startTLS(); err != nil {
			return nil, err
		}
	}
	secure, err := s.cfg.Dial.TLS(ctx, s.raw, s.cfg.Host)
	if err != nil {
		return nil, err
	}
	s.hold = &hold{Conn: secure}
	s.guard = guarded(s.hold)
	p := newPreamble(s.cfg.Host, s.guard)
	if s.cfg.Security == TLS {
		return p, p.greet()
	}
	return p, nil
}

func guarded(conn net.Conn) *dial.Conn { return dial.Guard(conn, dial.Limits{Total: maxAnswer}) }

// end finishes the Source for the reason f, unless it is finished, and gives
// the reason that holds: the first one. Closing the connection below TLS ends
// every wait at once.
func (s *Source) end(f *mail.Fault) *mail.Fault {
	s.mu.Lock()
	if s.cause == nil {
		s.cause = f
	}
	f = s.cause
	if !s.left {
		_ = s.raw.Close()
	}
	s.mu.Unlock()
	return f
}

// ended gives the reason why the Source is finished, or nil.
func (s *Source) ended() *mail.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// fault translates what go-imap gave us. Whatever is not an answer of the
// server ends the Source.
func (s *Source) fault(doing string, err error) *mail.Fault {
	if r, ok := answered(err); ok {
		return r.later(s.cfg.Host, doing)
	}
	if why := s.lease.ended(); why != nil {
		return s.end(lost(s.cfg.Host, why))
	}
	// What go-imap says of an answer quotes it.
	return s.end(badResponse(s.cfg.Host, errors.New("answer")))
}

// answered gives the server's refusal in err, if it is one.
func answered(err error) (*refusal, bool) {
	e, ok := errors.AsType[*imap.Error](err)
	if !ok {
		return nil, false
	}
	return &refusal{status: string(e.Type), code: string(e.Code), text: e.Text}, true
}

// A watch limits one exchange: it ends the Source when the context ends or
// the time is up. go-imap can do neither. The guard limits what it sees, the
// octets and the waits within an answer; the watch what it cannot see, the
// answer that never begins.
type watch struct {
	timer *time.Timer
	stop  func() bool
}

func (s *Source) watch(ctx context.Context, limit time.Duration, doing string) *watch {
	return s.watchAs(ctx, limit, doing, "timeout")
}

// watchAs is watch with the code of the Fault for a server that is too slow.
func (s *Source) watchAs(ctx context.Context, limit time.Duration, doing, code string) *watch {
	if s.guard != nil {
		s.guard.SetOperation(limit)
	}
	w := new(watch)
	w.stop = context.AfterFunc(ctx, func() { s.end(cancelled(ctx)) })
	w.timer = time.AfterFunc(limit, func() { s.end(tooSlow(s.cfg.Host, doing, code)) })
	return w
}

// arm gives the server the time d from now.
func (w *watch) arm(d time.Duration) { w.timer.Reset(d) }

// rest stops the clock while the caller is busy.
func (w *watch) rest() { w.timer.Stop() }

func (w *watch) end() {
	w.stop()
	w.timer.Stop()
}

// open selects the folder that ref is in, if it is not selected, and makes
// sure that its UIDs still mean what they meant (RFC 3501 2.3.1.1).
func (s *Source) open(ref mail.Ref) error {
	if f := s.ended(); f != nil {
		return f
	}
	if s.folder != ref.Folder {
		if err := s.selectFolder(ref.Folder); err != nil {
			return err
		}
	}
	if s.validity != ref.Validity {
		return &mail.Fault{Class: mail.Protocol, Code: "uidvalidity_changed",
			Text: fmt.Sprintf("the server has renumbered the folder %q", ref.Folder), Help: "it is listed again and compared by content"}
	}
	return nil
}

// selectFolder opens a folder with SELECT or EXAMINE.
func (s *Source) selectFolder(name string) error {
	s.snapshot, s.fresh = snapshot{}, false
	s.expunged.Store(0)
	data, err := s.client.Select(name, &imap.SelectOptions{ReadOnly: s.cfg.ReadOnly, CondStore: s.can.all(condstore)}).Wait()
	if err != nil {
		r, ok := answered(err)
		switch {
		case ok && r.status == "BAD" && s.can.all(condstore): // it promised more than it can
			s.can &^= condstore
			return s.selectFolder(name)
		case ok && r.noFolder(s.cfg.Host):
			return &mail.Fault{Class: mail.Setup, Code: "folder_missing", Err: r,
				Text: fmt.Sprintf("%s has no folder %q that can be opened", s.cfg.Host, name), Help: "choose another folder for this mailbox"}
		}
		return s.fault("open a folder", err)
	}
	if data.UIDValidity == 0 {
		return &mail.Fault{Class: mail.Protocol, Code: "bad_listing",
			Text: fmt.Sprintf("%s gives the folder %q no UIDVALIDITY", s.cfg.Host, name), Help: "use POP3 for this mailbox"}
	}
	s.snapshot = snapshot{folder: name, validity: data.UIDValidity, exists: data.NumMessages, next: uint32(data.UIDNext), modseq: data.HighestModSeq}
	return nil
}

// noFolder reports whether a refused SELECT means that the folder is not
// there or cannot be opened. Most servers give no code.
func (r *refusal) noFolder(host string) bool {
	switch r.code {
	case "NONEXISTENT", "TRYCREATE", "CANNOT":
		return true
	case "", "ALERT":
		return r.status == "NO" && r.common(host) == nil
	}
	return false
}

// Close logs out and frees the connection, or leaves it to the Dialer where
// that is wanted. Deletions have happened by then, so its only errors would be
// about politeness: it gives none. It never sends CLOSE, which would expunge
// what others have flagged.
func (s *Source) Close(ctx context.Context) error {
	clear(s.scratch)
	if s.cfg.Keep && s.leave() {
		return nil
	}
	if s.ended() == nil {
		w := s.watch(ctx, byeTime, "say good-bye")
		_ = s.client.Logout().Wait()
		w.end()
	}
	s.end(errClosed)
	_ = s.client.Close()
	return nil
}

var errClosed = &mail.Fault{Class: mail.Transient, Code: "closed", Text: "the session has been closed"}
