package pop3

import (
	"context"
	"fmt"
	"net"
	"time"

	gopop3 "github.com/knadh/go-pop3"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/sasl"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// How long the server may make us wait, in all, for a whole operation. Within
// it, and in streams, dial limits each wait.
type limit = time.Duration

const (
	loginLimit limit = 30 * time.Second // greeting to login
	listLimit  limit = 120 * time.Second
	quitLimit  limit = 60 * time.Second // many servers delete now, not at DELE
	noLimit    limit = 0
)

// maxMessages is how many messages a maildrop may hold. The memory that a
// listing takes is bounded by it and by the octets of one answer.
const maxMessages = 2_000_000

// Dialer opens Sources of one mailbox. It may be used by many goroutines.
type Dialer struct{ cfg Config }

// New makes a Dialer. Mistakes in cfg show when it is used.
func New(cfg Config) *Dialer { return &Dialer{cfg: cfg} }

// Open connects, secures the connection and logs in. An access token may end
// before its time (RFC 6749 10.3): one that is refused is replaced once.
func (d *Dialer) Open(ctx context.Context) (*Source, error) {
	if err := d.cfg.check(); err != nil {
		return nil, err
	}
	cfg, err := d.cfg.entitled(ctx, vault.Secret{})
	if err != nil {
		return nil, err
	}
	s, err := d.open(ctx, cfg)
	if err == nil || cfg.Token == nil || !sasl.IsStale(err) {
		return s, err
	}
	if cfg, err = cfg.entitled(ctx, cfg.Password); err != nil {
		return nil, err
	}
	return d.open(ctx, cfg)
}

func (d *Dialer) open(ctx context.Context, cfg Config) (*Source, error) {
	s, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.enter(ctx, cfg); err != nil {
		_ = s.fail(err)
		return nil, err
	}
	return s, nil
}

// connect gives a Source in the AUTHORIZATION state, secured, with the
// capabilities of the secured connection.
func (d *Dialer) connect(ctx context.Context) (*Source, error) {
	conn, err := d.cfg.Dial.Dial(ctx, d.cfg.Host, d.cfg.Port)
	if err != nil {
		return nil, err
	}
	if d.cfg.Security == TLS {
		t, err := d.cfg.Dial.TLS(ctx, conn, d.cfg.Host)
		if err != nil {
			return nil, err
		}
		conn = t
	}
	s := newSource(conn, d.cfg.Host)
	if err := s.greet(ctx); err != nil {
		_ = s.fail(err)
		return nil, err
	}
	if d.cfg.Security == StartTLS {
		if err := s.startTLS(ctx, d.cfg.Dial); err != nil {
			_ = s.fail(err)
			return nil, err
		}
	}
	return s, nil
}

func newSource(conn net.Conn, host string) *Source {
	return &Source{host: host, conn: dial.NewLineConn(conn, dial.LineLimits{Lines: maxMessages + 2})}
}

// greet reads the greeting and the capabilities.
func (s *Source) greet(ctx context.Context) error {
	end, err := s.begin(ctx, loginLimit)
	if err != nil {
		return err
	}
	defer end()
	if _, err := s.conn.ReadStatus(); err != nil {
		return s.fail(err)
	}
	switch r, ok := parseReply(s.conn.LastStatus()); {
	case !ok || r.more:
		return &mail.Fault{Class: mail.Setup, Code: "not_pop3",
			Text: s.host + " does not speak POP3 on this port", Help: "check host and port: 995 with TLS, 110 with STARTTLS"}
	case !r.ok:
		return s.turnedAway(r)
	}
	return s.askCapa()
}

// startTLS secures the connection (RFC 2595 4). What was learnt in clear text
// is forgotten: somebody may have put it there.
func (s *Source) startTLS(ctx context.Context, d *dial.Dialer) error {
	if err := s.askSTLS(ctx); err != nil {
		return err
	}
	if s.conn.Reader().Buffered() > 0 {
		return &mail.Fault{Class: mail.Setup, Code: "tls_injection",
			Text: s.host + " sent clear text into the start of TLS", Help: "somebody may be tampering with the connection; use port 995 with TLS"}
	}
	secured, err := s.conn.StartTLS(ctx, d, s.host)
	if err != nil {
		return err
	}
	s.conn = secured
	end, err := s.begin(ctx, loginLimit)
	if err != nil {
		return err
	}
	defer end()
	return s.askCapa()
}

func (s *Source) askSTLS(ctx context.Context) error {
	end, err := s.begin(ctx, loginLimit)
	if err != nil {
		return err
	}
	defer end()
	refused := &mail.Fault{Class: mail.Setup, Code: "tls_not_offered",
		Text: s.host + " does not offer STARTTLS on this port", Help: "use port 995 with TLS; a password is never sent in clear text"}
	if !s.caps.stls {
		return refused
	}
	if err := s.send("STLS"); err != nil {
		return err
	}
	r, err := s.reply()
	if err != nil {
		return err
	}
	if !r.ok {
		refused.Code, refused.Text = "tls_refused", s.host+" announces STARTTLS and refuses it"
		return refused
	}
	return nil
}

// attach lets go-pop3 join the connection. The greeting it waits for is ours:
// the server's has been judged, and the library takes only some spellings.
func (s *Source) attach() error {
	s.conn.Replay("+OK\r\n")
	s.tap = &tap{LineConn: s.conn}
	lib, err := gopop3.New(gopop3.Opt{Host: s.host, Dialer: given{s.tap}}).NewConn()
	if err != nil {
		return s.fail(fmt.Errorf("go-pop3: %w", err))
	}
	s.lib = lib
	return nil
}

// given is a go-pop3 Dialer for a connection that exists.
type given struct{ conn net.Conn }

func (g given) Dial(string, string) (net.Conn, error) { return g.conn, nil }
