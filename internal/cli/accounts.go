package cli

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// accounts opens users for the engine (actors.Accounts): it puts store, grant,
// budget, Gmail and sources together.
type accounts struct{ *parts }

// Open implements actors.Accounts.
func (a accounts) Open(ctx context.Context, user id.User) (actors.Account, error) {
	grant, err := a.store.Grant(ctx, user)
	if errors.Is(err, account.ErrNone) {
		return nil, &mail.Fault{Class: mail.Grant, Code: "grant_missing",
			Text: "smtp-sync may not add mail to this Gmail account", Help: "connect Google again"}
	}
	if err != nil {
		return nil, err
	}
	client, err := gmail.New(gmail.Options{
		APIURL: a.cfg.GmailAPIURL, Transport: a.transport,
		Tokens: a.oauth.Source(grant.RefreshToken, gmail.ScopeInsert),
	})
	if err != nil {
		return nil, err
	}
	owner, err := a.store.Own(ctx, user)
	if err != nil {
		return nil, err
	}
	// What Gmail told the process before, of which this one's budget knows nothing.
	budget := a.project.Budget(user)
	until, err := a.store.GmailWait(ctx, user, a.began)
	if err != nil {
		return nil, err
	}
	budget.Hold(until)
	return &person{
		parts: a.parts, user: user, token: grant.RefreshToken, gmail: client, owner: owner, budget: budget,
		gate: bridge.NewGate(0, concurrency(a.cfg.ConcurrencyPerUser)),
	}, nil
}

// person is one user at work (actors.Account).
type person struct {
	*parts
	user   id.User
	token  vault.Secret // of the grant
	gmail  *gmail.Client
	owner  owner
	budget *quota.Budget
	gate   *bridge.Gate

	licence licence // what the user may use
}

// Prepare implements actors.Account.
func (p *person) Prepare(ctx context.Context, box id.Mailbox) (actors.Job, error) {
	m, state, err := p.store.Prepare(ctx, p.user, box)
	if err != nil {
		return actors.Job{}, err
	}
	if m.Password.Empty() && m.Consent.Provider == "" {
		return actors.Job{}, &mail.Fault{Class: mail.Login, Code: "password_required",
			Text: "the mailbox has no password", Help: "enter it in the settings of this mailbox"}
	}
	may, err := p.licence.of(ctx, p.parts, p.user, box)
	if err != nil {
		return actors.Job{}, err
	}
	if reason, stopped := beyond(may, box); stopped {
		return p.pausedByPlan(ctx, box, state, reason)
	}
	keys, err := p.store.Keys(ctx, p.user, box)
	if err != nil {
		return actors.Job{}, err
	}
	books, err := p.owner.Ledger(ctx, box)
	if err != nil {
		return actors.Job{}, err
	}
	pass := passOf(m)
	if err := p.filter(ctx, &pass, m); err != nil {
		return actors.Job{}, err
	}
	pass.Gmail, pass.Keys, pass.Budget, pass.History, pass.Gate = p.gmail, keys, p.budget, p.budget.History(), p.gate
	marker := new(actors.Marker)
	pass.Ledger = &marked{Ledger: books, marker: marker, forget: func(ctx context.Context) error { return p.forgetDigest(ctx, box, state) }}
	pass.Accepted = state.Accepted
	pass.Memory, pass.Digest, pass.Left, pass.LeftBytes = p.memory, state.Digest, state.Backlog.Messages, state.Backlog.Bytes
	pass.Progress = func(e bridge.Event) {
		p.count(e)
		if tell := p.took.Load(); tell != nil && e.Status == mail.Imported && e.Took > 0 {
			(*tell)(box, e.Took)
		}
	}
	job := actors.Job{Pass: pass, State: state, Marker: marker, Settings: schedule.Settings{
		Host: m.Host, Protocol: m.Protocol, PollEvery: may.Poll(m.PollEvery, p.cfg.PollEvery), Push: m.Protocol == "imap" && may.push(),
	}}
	if m.Protocol != "imap" || !may.push() {
		job.Pass.Dialer = p.watching(m, dialer(m, p.opens(p.user, m), p.out))
		return job, nil
	}
	cfg := imapConfig(m, p.opens(p.user, m), p.out)
	cfg.Keep = true
	if len(cfg.Folders) > 1 { // the server tells of the first folder alone
		cfg.Look = cmp.Or(m.PollEvery, p.cfg.PollEvery)
	}
	d := imap.New(cfg)
	job.Pass.Dialer = p.watching(m, imapDialer{d})
	job.Park = func(ctx context.Context) (actors.Parked, error) {
		parked, err := d.Park(ctx)
		if parked == nil {
			return nil, err
		}
		_ = p.store.Rest(ctx, p.user, box) // what the wipe of a user has closed is at rest
		return parked, err
	}
	job.Close = d.Close
	job.Resume = func(parked actors.Parked) bridge.Dialer {
		d.Resume(parked.(*imap.Parked))
		return p.watching(m, imapDialer{d})
	}
	return job, nil
}

// filter gives a pass the rules of its mailbox.
func (p *person) filter(ctx context.Context, pass *bridge.Pass, m account.Mailbox) error {
	if p.rules == nil {
		return nil
	}
	chain, err := p.rules.Chain(ctx, p.user, m)
	if chain != nil {
		pass.Filter = chain
	}
	return err
}

// watching makes a dialer tell of each password that is wrong: whoever keeps one
// after the other is guessing. Nobody guesses tokens.
func (p *person) watching(m account.Mailbox, d bridge.Dialer) bridge.Dialer {
	if m.Consent.Provider != "" {
		return d
	}
	return watched{d, func() { p.guesses.Failed(p.user, m.Host, m.Username, m.Password) }}
}

type watched struct {
	bridge.Dialer
	refused func()
}

// Dial implements bridge.Dialer.
func (w watched) Dial(ctx context.Context) (bridge.Source, error) {
	s, err := w.Dialer.Dial(ctx)
	if err != nil && mail.ClassOf(err) == mail.Login {
		w.refused()
	}
	return s, err
}

// count brings what a pass says of its messages into the metrics.
func (p *person) count(e bridge.Event) {
	if e.Status == "" {
		return
	}
	p.metrics.MessageEnded(string(e.Status), e.Size, e.Took)
	if class, past := pastRule(e); past {
		p.metrics.PastRule(class)
	}
	if e.Recovered {
		p.metrics.Recovered(string(e.Status))
	}
}

// Revoked implements actors.Account.
func (p *person) Revoked(ctx context.Context) error {
	return p.leave(ctx, p.user, func() error { return p.store.DropRefused(ctx, p.user, p.token) })
}

// Close implements actors.Account.
func (p *person) Close() {}

// marked asks the engine before each claim.
type marked struct {
	bridge.Ledger
	marker *actors.Marker
	forget func(context.Context) error // the digest

	mu        sync.Mutex
	forgotten bool
}

// Claim implements bridge.Ledger.
func (m *marked) Claim(ctx context.Context, c ledger.Claim) error {
	if err := m.marker.Begin(ctx); err != nil {
		return err
	}
	return m.Ledger.Claim(ctx, c)
}

// Listed implements bridge.Ledger. What a listing showed may be what the next
// pass must know: a digest of before would hide it, if this process died before
// the state of the mailbox is saved. Once in a pass is enough, however many
// folders there are.
func (m *marked) Listed(ctx context.Context, absent, present []ledger.Key) error {
	if err := m.once(ctx); err != nil {
		return err
	}
	return m.Ledger.Listed(ctx, absent, present)
}

func (m *marked) once(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgotten {
		return nil
	}
	err := m.forget(ctx)
	m.forgotten = err == nil
	return err
}

func (p *person) forgetDigest(ctx context.Context, box id.Mailbox, st schedule.State) error {
	if st.Digest == (mail.Key{}) {
		return nil
	}
	st.Digest = mail.Key{}
	return p.store.Save(ctx, p.user, box, st)
}
