package cli

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/crossaccount"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/why"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// site is the HTTP side with what works for it beside the engine.
type site struct {
	*server.Service
	inbox   *crossaccount.Inbox
	errands *errands
}

// web puts the HTTP side together over the store and the engine.
func (p *parts) web(engine *actors.Engine, ready func() bool) (*site, error) {
	f := &site{errands: newErrands(p)}
	f.inbox = crossaccount.New(crossaccount.Inbox{
		Store: tokenOwners{p.store}, Engine: engine, Log: p.log,
		Wipe: func(ctx context.Context, user id.User) error { _, err := f.WipeUser(ctx, user); return err },
		Ask: func(ctx context.Context, refresh vault.Secret) error {
			_, err := p.oauth.Source(refresh).Token(ctx, vault.Secret{})
			return err
		},
	})
	finds := p.finds
	finds.Policy, finds.Roots = dial.Policy{Allow: p.cfg.SourceAllowCIDRs, Ports: p.cfg.SourcePorts}, p.roots
	var err error
	f.Service, err = server.NewService(server.Options{
		PublicURL: p.cfg.PublicURL, Key: p.store.Key("server"),
		Sessions: p.store, Accounts: telling{p.store, f.errands}, Books: books{p.store}, Schedules: p.store, Engine: engine,
		Asker: asker{why.Asker{Store: p.store, Retention: p.cfg.AuditRetention}}, Usage: p.project.BytesToday,
		Finder: discover.New(p.out, finds), Prober: probe.New(p.out, probe.NewLimiter(probe.Limits{})), Hosts: p.out,
		Google:     google{p.oauth.Visits(p.store.Key("visits"), p.personOf), p.oauth},
		Deliveries: deliveries(risc.New(p.oauth, f.inbox)),
		Ready:      ready, SignUp: account.SignUp{Rule: cmp.Or(p.cfg.Signup, "first"), Emails: p.cfg.SignupEmails},
		BytesPerDay: int64(p.cfg.BytesPerUserDay), TrustedProxies: p.cfg.TrustedProxies, OriginSecret: p.cfg.OriginSecret,
		PrivacyURL: p.cfg.PrivacyURL, TermsURL: p.cfg.TermsURL, Log: p.log,
	})
	if err == nil {
		p.audited.Store(new(f.Audited))
		p.took.Store(new(f.Took))
	}
	return f, err
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

// google is the identity provider, as the pages need it.
type google struct {
	*oauth.Visits
	provider *oauth.Provider
}

func (g google) AuthOrigin(ctx context.Context) (string, error) { return g.provider.AuthOrigin(ctx) }

// deliveries brings security events to their receiver.
func deliveries(r *risc.Receiver) server.Deliveries {
	return func(ctx context.Context, contentType string, body []byte) (int, []byte, error) {
		a := r.Receive(ctx, contentType, body)
		return a.Status, a.Body, a.Err
	}
}

// books is the log, with its figures under the names that pages have for them.
type books struct{ *sqlite.Store }

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

// telling are the accounts; what their wipes leave to be told to others is told
// at once.
type telling struct {
	*sqlite.Store
	errands *errands
}

func (t telling) WipeGrant(ctx context.Context, user id.User) (account.Receipt, error) {
	defer t.errands.wake()
	return t.Store.WipeGrant(ctx, user)
}

func (t telling) WipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	defer t.errands.wake()
	return t.Store.WipeUser(ctx, user)
}

// tokenOwners finds whose refresh token an event is about by looking at all of
// them: events of this kind are rare, and no mark of a token is kept.
type tokenOwners struct{ *sqlite.Store }

func (t tokenOwners) UserOfToken(ctx context.Context, e risc.Event) (id.User, error) {
	for user, err := range t.Users(ctx) {
		if err != nil {
			return id.User{}, err
		}
		g, err := t.Grant(ctx, user)
		if errors.Is(err, account.ErrNone) {
			continue
		}
		if err != nil {
			return id.User{}, err
		}
		if e.Matches(g.RefreshToken) {
			return user, nil
		}
	}
	return id.User{}, account.ErrNone
}
