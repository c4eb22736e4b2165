package pop3

import (
	"context"
	"crypto/tls"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Try opens a session as Open does and says which stage begins: "connect",
// "tls", "greeting", "capability", "login", for the connection test. With STLS
// TLS comes after the capabilities. An error belongs to the stage that began last; before the first it is
// about the configuration. secured is told what TLS came to.
func (d *Dialer) Try(ctx context.Context, begin func(stage string), secured func(tls.ConnectionState)) (*Source, error) {
	if err := d.cfg.check(); err != nil {
		return nil, err
	}
	cfg, err := d.cfg.entitled(ctx, vault.Secret{})
	if err != nil {
		return nil, err
	}
	begin("connect")
	conn, err := d.cfg.Dial.Dial(ctx, d.cfg.Host, d.cfg.Port)
	if err != nil {
		return nil, err
	}
	if d.cfg.Security == TLS {
		begin("tls")
		t, err := d.cfg.Dial.TLS(ctx, conn, d.cfg.Host)
		if err != nil {
			return nil, err
		}
		secured(t.ConnectionState())
		conn = t
	}
	s := newSource(conn, d.cfg.Host)
	if err := s.stages(ctx, cfg, begin, secured); err != nil {
		_ = s.fail(err)
		return nil, err
	}
	return s, nil
}

// stages is what comes after connecting, one thing after the other.
func (s *Source) stages(ctx context.Context, cfg Config, begin func(string), secured func(tls.ConnectionState)) error {
	begin("greeting")
	if err := s.hear(ctx); err != nil {
		return err
	}
	begin("capability")
	if err := s.ask(ctx); err != nil {
		return err
	}
	if cfg.Security == StartTLS {
		begin("tls")
		if err := s.startTLS(ctx, cfg.Dial); err != nil {
			return err
		}
		if t, ok := s.conn.Conn.(*tls.Conn); ok {
			secured(t.ConnectionState())
		}
	}
	begin("login")
	return s.enter(ctx, cfg)
}

// hear reads the greeting.
func (s *Source) hear(ctx context.Context) error {
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
	return nil
}

func (s *Source) ask(ctx context.Context) error {
	end, err := s.begin(ctx, loginLimit)
	if err != nil {
		return err
	}
	defer end()
	return s.askCapa()
}

// A Measure is what is in a maildrop, in figures.
type Measure struct {
	Messages int
	Octets   int64
	UIDL     bool // messages have unique-ids; without, they are known by their content
}

// Measure asks for the figures of the maildrop, and lists nothing: one message
// is enough to see whether there are unique-ids.
func (s *Source) Measure(ctx context.Context) (Measure, error) {
	end, err := s.begin(ctx, listLimit)
	if err != nil {
		return Measure{}, err
	}
	defer end()
	m := Measure{UIDL: s.caps.uidl || !s.caps.known}
	if m.Messages, err = s.stat(); err != nil {
		return Measure{}, err
	}
	if words := strings.Fields(s.conn.LastStatus()); len(words) > 2 { // "+OK" messages octets
		m.Octets = octets([]byte(words[2]))
	}
	if m.Messages == 0 {
		return m, nil
	}
	if err := s.send("UIDL 1"); err != nil {
		return Measure{}, err
	}
	r, err := s.reply()
	if err != nil {
		return Measure{}, err
	}
	m.UIDL = r.ok
	return m, nil
}
