package imap

import (
	"context"
	"crypto/tls"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// A Trial is a session that was opened in stages, for the connection test. It
// remembers all that the server said it can do.
type Trial struct {
	*Source
	caps map[string]bool
}

// Try opens a session as Open does and says which stage begins: "connect",
// "tls", "greeting", "capability", "login". With STARTTLS the greeting comes
// before TLS. An error belongs to the stage that began last; before the first
// it is about the configuration. secured is told what TLS came to.
func (d *Dialer) Try(ctx context.Context, begin func(stage string), secured func(tls.ConnectionState)) (*Trial, error) {
	if f := d.cfg.check(); f != nil {
		return nil, f
	}
	cfg, err := d.cfg.entitled(ctx, vault.Secret{})
	if err != nil {
		return nil, err
	}
	begin("connect")
	raw, err := d.cfg.Dial.Dial(ctx, d.cfg.Host, d.cfg.Port)
	if err != nil {
		return nil, err
	}
	t := &Trial{Source: &Source{cfg: cfg, dialer: d, raw: raw}}
	if err := t.stages(ctx, begin, secured); err != nil {
		return nil, t.end(lost(d.cfg.Host, err))
	}
	return t, nil
}

// stages is start, one thing after the other.
func (t *Trial) stages(ctx context.Context, begin func(string), secured func(tls.ConnectionState)) error {
	p, err := t.secure(ctx, begin, secured)
	if err != nil {
		return err
	}
	w := t.watch(ctx, loginTime, "log us in")
	defer w.end()
	begin("capability")
	if err := p.capability(); err != nil {
		return err
	}
	begin("login")
	if err := p.authenticate(t.cfg); err != nil {
		return err
	}
	t.caps = p.caps
	ahead, _ := p.r.Peek(p.r.Buffered())
	can := p.abilities()
	return t.handOver(can, append(greeting(can), ahead...))
}

// secure is greet, one thing after the other.
func (t *Trial) secure(ctx context.Context, begin func(string), secured func(tls.ConnectionState)) (*preamble, error) {
	w := t.watchAs(ctx, greetTime, "greet us", "timeout_greeting")
	defer w.end()
	if t.cfg.Security == STARTTLS {
		begin("greeting")
		err := newPreamble(t.cfg.Host, dial.Guard(t.raw, dial.Limits{})).startTLS()
		if mail.ClassOf(err) == mail.Setup { // it has greeted, and will not have TLS
			begin("tls")
		}
		if err != nil {
			return nil, err
		}
	}
	begin("tls")
	conn, err := t.cfg.Dial.TLS(ctx, t.raw, t.cfg.Host)
	if err != nil {
		return nil, err
	}
	secured(conn.ConnectionState())
	t.hold = &hold{Conn: conn}
	t.guard = guarded(t.hold)
	p := newPreamble(t.cfg.Host, t.guard)
	if t.cfg.Security == TLS {
		begin("greeting")
		return p, p.greet()
	}
	return p, nil
}
