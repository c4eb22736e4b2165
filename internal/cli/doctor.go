package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

type doctorCmd struct{}

// Run checks one thing a line, and says what to do about each that is wrong.
func (doctorCmd) Run(a *app) error {
	d := &doctor{app: a}
	cfg, err := config.Load(a.env, a.file)
	if !d.check("configuration", err, "every variable is understood") {
		return d.result()
	}
	d.check("Google client", cfg.Require("sync"), "client id and secret are set")
	p, err := a.open(cfg, shared)
	if d.check("data and master key", err, "the data directory opens with this key") {
		defer p.close()
		d.keys(p.keys)
		ctx, cancel := context.WithTimeout(a.ctx, 20*time.Second)
		defer cancel()
		if all := p.clients.All(); len(all) > 0 {
			names := make([]string, len(all))
			for i, c := range all {
				names[i] = c.ID
			}
			d.say("ok", "sign-ins of mailboxes", strings.Join(names, ", ")+": each needs its redirect address, "+strings.TrimSuffix(cfg.PublicURL, "/")+"/auth/source/ID/callback, at the provider")
		}
		grant, err := p.store.Grant(ctx, p.userID)
		switch {
		case errors.Is(err, account.ErrNone):
			d.say("note", "grant", "no Google grant is stored: run smtp-sync login, or give sync a --google-refresh-token-file")
		case d.check("grant", err, "a Google grant is stored"):
			_, err := p.oauth.Source(grant.RefreshToken, gmail.ScopeInsert).Token(ctx, vault.Secret{})
			d.check("grant at Google", err, "Google accepts it, mail may be added")
		}
		_, err = p.oauth.AuthOrigin(ctx)
		if d.check("Google", err, "sign-in addresses found") {
			d.clock(ctx, p.transport, cfg.GoogleIssuer)
		}
	}
	return d.result()
}

type doctor struct {
	*app
	ill int
}

func (d *doctor) say(verdict, what, text string) { d.printf("%-5s %s: %s\n", verdict, what, text) }

func (d *doctor) check(what string, err error, fine string) bool {
	if err != nil {
		d.ill++
		d.say("WRONG", what, strings.ReplaceAll(err.Error(), "\n", "; "))
		return false
	}
	d.say("ok", what, fine)
	return true
}

// keys says where they live, which master keys are needed, and what a wipe is
// worth there.
func (d *doctor) keys(k *keystore) {
	count, err := k.Census(d.ctx)
	if !d.check("keys", err, "they live "+k.at()) {
		return
	}
	k.standing(count, func(line string, todo bool) {
		verdict := "ok"
		if todo {
			verdict = "note"
		}
		d.say(verdict, "keys", line)
	})
	if to, err := k.RotationOrdered(d.ctx); err != nil || to != "" {
		d.check("keys", err, "a rotation to master key "+to+" is under way")
	}
	verdict, line := k.history()
	d.say(verdict, "wipes", line)
}

// clock compares ours with Google's: signatures and leases need the time.
func (d *doctor) clock(ctx context.Context, transport http.RoundTripper, issuer string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, issuer, nil)
	if err != nil {
		d.check("clock", err, "")
		return
	}
	before := time.Now()
	res, err := transport.RoundTrip(req)
	if err != nil {
		d.check("clock", fmt.Errorf("cannot be compared with Google's: %w", err), "")
		return
	}
	_ = res.Body.Close()
	theirs, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		d.say("note", "clock", "Google's answer has no time to compare with")
		return
	}
	off := before.Sub(theirs).Abs()
	if off > time.Minute {
		err = fmt.Errorf("it is %v off: set the clock, or run an NTP client", off.Round(time.Second))
	}
	d.check("clock", err, "agrees with Google's")
}

func (d *doctor) result() error {
	if d.ill > 0 {
		return undone{fmt.Sprintf("%d of the checks failed", d.ill)}
	}
	return nil
}
