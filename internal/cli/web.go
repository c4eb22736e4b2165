package cli

import (
	"cmp"
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/why"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// web puts the HTTP side together over the store and the engine.
func (p *parts) web(engine *actors.Engine, ready func() bool) (*server.Service, error) {
	finds := p.finds
	finds.Policy, finds.Roots = dial.Policy{Allow: p.cfg.SourceAllowCIDRs, Ports: p.cfg.SourcePorts}, p.roots
	site, err := server.NewService(server.Options{
		PublicURL: p.cfg.PublicURL, Key: p.store.Key("server"),
		Sessions: p.store, Accounts: accountBooks{p.store, p}, Books: books{p.store}, Rules: p.rules, Schedules: p.store, Engine: engine,
		Asker: asker{why.Asker{Store: p.store, Retention: p.cfg.AuditRetention}}, Usage: p.project.BytesToday,
		Finder: discover.New(p.out, finds), Prober: prober{probe.New(p.out, p.guesses), p.tokens}, Hosts: p.out,
		Google:     signIn{p.oauth.Visits(p.store.Key("visits"), p.personOf), p.oauth},
		Sources:    p.clients,
		Deliveries: p.deliveries(), Notices: notices{p.office, p}, MailEvents: p.mailEvents(), Billing: p.sells(),
		Ready: ready, SignUp: account.SignUp{Rule: cmp.Or(p.cfg.Signup, "first"), Emails: p.cfg.SignupEmails},
		BytesPerDay: int64(p.cfg.BytesPerUserDay), KeyHistory: p.keys.place.History, TrustedProxies: p.cfg.TrustedProxies, OriginSecret: p.cfg.OriginSecret,
		PrivacyURL: p.cfg.PrivacyURL, TermsURL: p.cfg.TermsURL, Log: p.log, Waiting: p.waiting,
	})
	if err == nil {
		p.audited.Store(new(site.Audited))
		p.took.Store(new(site.Took))
	}
	return site, err
}

// personOf gives the name by which sessions know the one whom Google calls sub;
// "" if that is nobody here.
func (p *parts) personOf(sub string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	u, err := p.store.FindUser(ctx, sub)
	if err != nil {
		return ""
	}
	return u.ID.String()
}

// signIn is the identity provider, as the pages need it (server.Google).
type signIn struct {
	*oauth.Visits
	provider *oauth.Provider
}

func (s signIn) AuthOrigin(ctx context.Context) (string, error) { return s.provider.AuthOrigin(ctx) }

// prober tests a mailbox that is kept with a fresh token, where that opens it.
type prober struct {
	*probe.Prober
	tokens *oauth.Keeper
}

func (p prober) Test(ctx context.Context, user id.User, box account.Mailbox, told func(probe.Step)) (probe.Result, error) {
	if box.Consent.Provider != "" && box.ID != (id.Mailbox{}) {
		token, err := p.tokens.Token(ctx, user, box.ID, box.Consent, vault.Secret{})
		if err != nil {
			return probe.Result{}, err
		}
		box.Consent.Access = token
	}
	return p.Prober.Test(ctx, user, box, told)
}

// Newest implements server.Prober, with the token as Test.
func (p prober) Newest(ctx context.Context, user id.User, box account.Mailbox, n int) ([]mail.Headed, error) {
	if box.Consent.Provider != "" && box.ID != (id.Mailbox{}) {
		token, err := p.tokens.Token(ctx, user, box.ID, box.Consent, vault.Secret{})
		if err != nil {
			return nil, err
		}
		box.Consent.Access = token
	}
	return p.Prober.Newest(ctx, user, box, n)
}

// books is the log, with its figures under the names that pages have for them.
type books struct{ store }

func (b books) Tallies(ctx context.Context, user id.User) (map[id.Mailbox]audit.Tally, error) {
	return b.Standing(ctx, user)
}

// asker answers in the words of the API.
type asker struct{ why.Asker }

func (a asker) Why(ctx context.Context, user id.User, box account.Mailbox, f audit.Filter) ([]api.Clue, error) {
	found, err := a.Asker.Why(ctx, user, box, f)
	out := make([]api.Clue, len(found))
	for i, c := range found {
		out[i] = api.Clue(c)
	}
	return out, err
}
