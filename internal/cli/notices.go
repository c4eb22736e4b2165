package cli

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/notify/hook"
	"github.com/smtp-sync/smtp-sync/internal/notify/mailjet"
	"github.com/smtp-sync/smtp-sync/internal/notify/smtp"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// openOffice makes what tells users, over the ways that are configured.
func (p *parts) openOffice(engine *actors.Engine) error {
	ways, err := p.notifiers()
	if err != nil {
		return err
	}
	p.office = notify.New(notify.Options{
		Store: p.store, Notifiers: ways, Site: strings.TrimSuffix(p.cfg.PublicURL, "/"), Key: p.store.Key("notices"), Log: p.log,
		Wipe: ending{p, engine}.EndUser,
	})
	return nil
}

// notifiers are Mailjet or SMTP, and beside it the webhook; the log in any case.
func (p *parts) notifiers() ([]notify.Notifier, error) {
	cfg, from := p.cfg, sender(p.cfg)
	outside := gmail.NewTransport(p.roots)
	outside.ResponseHeaderTimeout = 15 * time.Second
	ways := []notify.Notifier{notify.Log{Log: p.log}}
	switch {
	case !cfg.MailjetKey.Empty():
		m, err := mailjet.New(mailjet.Options{APIURL: cfg.MailjetAPIURL, Key: cfg.MailjetKey, Secret: cfg.MailjetSecret,
			From: from, Marks: p.mailMarks(), Transport: outside})
		if err != nil {
			return nil, usageError{err}
		}
		ways = append(ways, m)
	case !cfg.SMTPURL.Empty():
		m, err := smtp.New(cfg.SMTPURL, from, p.roots)
		if err != nil {
			return nil, usageError{err}
		}
		ways = append(ways, m)
	}
	if !cfg.NotifyWebhookURL.Empty() {
		ways = append(ways, hook.New(cfg.NotifyWebhookURL, cfg.NotifyWebhookSecret, outside))
	}
	return ways, nil
}

// sender is who notices are from.
func sender(cfg *config.Config) string {
	host := "localhost"
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	return cmp.Or(cfg.NotifyFrom, "smtp-sync@"+host)
}

func (p *parts) mailMarks() mailjet.Marks { return mailjet.Marks{Key: p.store.Key("mailjet")} }

// mailEvents takes what Mailjet tells of letters (server.Options); nil: nobody
// may.
func (p *parts) mailEvents() func(ctx context.Context, secret string, body []byte) (int, error) {
	if p.cfg.MailjetKey.Empty() || p.cfg.MailjetEventSecret.Empty() {
		return nil
	}
	return func(ctx context.Context, secret string, body []byte) (int, error) {
		if !p.cfg.MailjetEventSecret.Equal(vault.NewSecret(secret)) {
			return http.StatusNotFound, nil
		}
		events, err := p.mailMarks().Events(body)
		if err != nil {
			return http.StatusBadRequest, err
		}
		if err := p.office.Hear(ctx, events); err != nil {
			return http.StatusServiceUnavailable, err
		}
		return http.StatusOK, nil
	}
}

// notices are the office as the pages need it (server.Notices).
type notices struct {
	*notify.Office
	p *parts
}

// EndDigest implements server.Notices.
func (n notices) EndDigest(ctx context.Context, token string) error {
	return n.Office.EndDigest(ctx, token, n.p.store)
}

// accountBooks are the store as the pages need it, which tells who leaves.
type accountBooks struct {
	store
	p *parts
}

// WipeUser implements server.Accounts.
func (a accountBooks) WipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	return a.p.wipeUser(ctx, user)
}

// wipeUser wipes a user and tells him: his address is read before.
func (p *parts) wipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	who, _ := p.store.Person(ctx, user)
	r, err := p.store.WipeUser(ctx, user)
	if err == nil && p.office != nil && who.Email != "" {
		p.office.Farewell(user, who.Email, notify.Deleted, r.ID)
	}
	return r, err
}

// leave drops a grant that Google has ended, and tells its user.
func (p *parts) leave(ctx context.Context, user id.User, drop func() error) error {
	who, known := p.store.Person(ctx, user)
	if err := drop(); err != nil {
		return err
	}
	if p.office == nil || known != nil {
		return nil // there was none any more, or its user knows
	}
	if _, err := p.store.Person(ctx, user); errors.Is(err, account.ErrNone) {
		p.office.Farewell(user, who.Email, notify.Revoked, "")
	}
	return nil
}
