package pop3

import (
	"context"
	"encoding/base64"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/sasl"
)

// enter logs in: from the AUTHORIZATION to the TRANSACTION state (RFC 1939 4).
func (s *Source) enter(ctx context.Context, cfg Config) error {
	end, err := s.begin(ctx, loginLimit)
	if err != nil {
		return err
	}
	defer end()
	if err := s.attach(); err != nil {
		return err
	}
	if err := s.login(cfg); err != nil {
		return err
	}
	if s.caps.final() {
		return nil
	}
	delay := s.caps.loginDelay
	if err := s.askCapa(); err != nil {
		return err
	}
	s.caps.loginDelay = max(delay, s.caps.loginDelay)
	return nil
}

func (s *Source) login(cfg Config) error {
	s.hide = []string{cfg.Password.RevealString(), cfg.Username}
	defer func() { s.hide = nil }()
	plain := slices.Contains(s.caps.sasl, "PLAIN")
	switch {
	case cfg.Token != nil:
		// Who announces nothing is tried with what everybody has.
		m, ok := sasl.Bearer(func(name string) bool { return !s.caps.known || slices.Contains(s.caps.sasl, name) })
		if !ok {
			return sasl.Missing(s.host)
		}
		status, err := s.auth(m.Name, m.Message(cfg.Username, cfg.Host, cfg.Port, cfg.Password.RevealString()), m.Sorry)
		if f, ok := mail.AsFault(err); ok {
			return sasl.Explain(f, "POP3", status)
		}
		return err
	case cfg.SASL == Plain && !plain:
		return s.noMechanism("AUTH PLAIN", `set the login to "user"`)
	case cfg.SASL == Plain, cfg.SASL == Auto && plain && !s.caps.user:
		_, err := s.auth("PLAIN", "\x00"+cfg.Username+"\x00"+cfg.Password.RevealString(), "*") // RFC 4616 2
		return err
	}
	return s.userPass(cfg)
}

func (s *Source) noMechanism(name, help string) error {
	return &mail.Fault{Class: mail.Setup, Code: "mechanism_missing",
		Text: s.host + " does not offer to log in with " + name, Help: help}
}

func (s *Source) userPass(cfg Config) error {
	r, err := s.library(func() error { return s.lib.User(cfg.Username) })
	if err != nil {
		return err
	}
	if !r.ok {
		return s.refusal(r)
	}
	if r, err = s.library(func() error { return s.lib.Pass(cfg.Password.RevealString()) }); err != nil {
		return err
	}
	if !r.ok {
		return s.refusal(r)
	}
	return nil
}

// auth does one SASL exchange of two steps (RFC 5034 4). The response never
// rides on the AUTH line: a token is longer than a command may be, and
// Outlook takes it in no other way.
//
// A server that asks again explains why it refuses: with the status of its
// challenge, if that has one, and after an answer that ends the exchange.
func (s *Source) auth(mechanism, response, afterwards string) (status string, err error) {
	if err := s.send("AUTH " + mechanism); err != nil {
		return "", err
	}
	r, err := s.reply()
	if err == nil && r.more {
		if err = s.send(base64.StdEncoding.EncodeToString([]byte(response))); err == nil {
			r, err = s.reply()
		}
	}
	if err == nil && r.more {
		status = sasl.Status(r.text)
		if err = s.send(afterwards); err == nil {
			r, err = s.reply()
		}
	}
	switch {
	case err != nil:
		return status, err
	case r.more:
		return status, s.fail(protocolFault(s.host, "one login challenge too many"))
	case !r.ok:
		return status, s.refusal(r)
	}
	return status, nil
}
