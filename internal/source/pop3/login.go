package pop3

import (
	"context"
	"encoding/base64"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
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
	case cfg.OAuth:
		if s.caps.known && !slices.Contains(s.caps.sasl, "XOAUTH2") {
			return s.noMechanism("XOAUTH2", "use a password, or IMAP")
		}
		// "user=" name ^A "auth=Bearer " token ^A ^A
		return s.auth("XOAUTH2", "user="+cfg.Username+"\x01auth=Bearer "+cfg.Password.RevealString()+"\x01\x01")
	case cfg.SASL == Plain && !plain:
		return s.noMechanism("AUTH PLAIN", `set the login to "user"`)
	case cfg.SASL == Plain, cfg.SASL == Auto && plain && !s.caps.user:
		return s.auth("PLAIN", "\x00"+cfg.Username+"\x00"+cfg.Password.RevealString()) // RFC 4616 2
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
func (s *Source) auth(mechanism, response string) error {
	if err := s.send("AUTH " + mechanism); err != nil {
		return err
	}
	r, err := s.reply()
	if err == nil && r.more {
		if err = s.send(base64.StdEncoding.EncodeToString([]byte(response))); err == nil {
			r, err = s.reply()
		}
	}
	// XOAUTH2 explains a refusal in a challenge first, to be answered with an empty line.
	if err == nil && r.more {
		if err = s.send(""); err == nil {
			r, err = s.reply()
		}
	}
	switch {
	case err != nil:
		return err
	case r.more:
		return s.fail(protocolFault(s.host, "one login challenge too many"))
	case !r.ok:
		return s.refusal(r)
	}
	return nil
}
