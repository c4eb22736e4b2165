package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/billing"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/telemetry"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server"
)

// parts is the product, put together for one command.
type parts struct {
	cfg       *config.Config
	began     time.Time // the process
	log       *slog.Logger
	metrics   *telemetry.Metrics // nil: nothing is counted
	transport *http.Transport    // to Google
	oauth     *oauth.Provider
	clients   *oauth.Clients // at the providers of mailboxes that are opened with tokens
	tokens    *oauth.Keeper  // of those mailboxes
	roots     *x509.CertPool // nil: the system's
	out       *dial.Dialer   // to mail hosts
	guesses   *probe.Limiter // wrong passwords
	memory    *bridge.Memory
	project   *quota.Project

	// audited, once it is set, is told of each line of the log as it is written.
	audited atomic.Pointer[func(id.User, audit.Entry)]
	watched func(id.User, audit.Entry) // the same for the terminal of the demo; nil: nobody

	// took, once it is set, is told how long each message was on its way.
	took atomic.Pointer[func(id.Mailbox, time.Duration)]

	rules  *rulebook.Book // the service's; nil: there are none
	office *notify.Office // the service's; nil: nobody is told anything
	desk   *billing.Desk  // nil: nobody bills, and everything is allowed

	finds   discover.Options // the demo's world; zero: the real one
	waiting *server.Waiting  // the demo's mailbox to be added; nil: none

	keys   *keystore
	store  store // nil until it is open
	userID id.User
	owner  owner // with exclusive: the epoch under which we write
}

// access to the data directory.
type access bool

const (
	exclusive access = true  // the process that works
	shared    access = false // beside it
)

// localUser is what the one user of the command line is called: sync and login
// know no other.
const localUser = "local"

// open puts the product together, for the one user of the command line.
func (a *app) open(cfg *config.Config, mode access) (*parts, error) {
	p, err := a.assemble(cfg, mode, nil)
	if err != nil {
		return nil, err
	}
	if err := p.local(a.ctx, mode); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// assemble puts the product together.
func (a *app) assemble(cfg *config.Config, mode access, metrics *telemetry.Metrics) (_ *parts, err error) {
	p := &parts{cfg: cfg, began: time.Now(), metrics: metrics, guesses: probe.NewLimiter(probe.Limits{}), log: telemetry.New(a.stderr, telemetry.Options{Level: cfg.LogLevel, Format: cfg.LogFormat})}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	p.roots, err = trusted(cfg.TLSCAFile)
	if err != nil {
		return nil, err
	}
	p.transport = gmail.NewTransport(p.roots)
	if err := p.openStore(a, mode); err != nil {
		return nil, err
	}
	p.oauth, err = oauth.New(oauth.Options{
		Issuer: cfg.GoogleIssuer, ClientID: cfg.GoogleClientID,
		ClientSecret: cfg.GoogleClientSecret, Transport: p.transport,
	})
	if err != nil {
		return nil, err
	}
	p.clients, err = oauth.ReadClients(cfg.OAuthSourcesFile, p.transport)
	if err != nil {
		return nil, usageError{fmt.Errorf("SMTPSYNC_OAUTH_SOURCES_FILE: %w", err)}
	}
	p.tokens = oauth.NewKeeper(p.clients, p.store)
	p.out = dial.New(dial.Options{
		Roots: p.roots, Policy: dial.Policy{Allow: cfg.SourceAllowCIDRs, Ports: cfg.SourcePorts},
		// The engine paces by host name; here all names of one server count, and
		// second connections, so it is twice as much.
		Pace: dial.Pace{PerSecond: 2 * float64(cfg.SourceLogins), Burst: 20},
	})
	if cfg.MemoryForTransfers > 0 {
		p.memory = bridge.NewMemory(int64(cfg.MemoryForTransfers))
	}
	p.project = quota.New(quota.Limits{
		UnitsPerUserMinute: cfg.UnitsPerUserMinute, UnitsPerProjectMinute: cfg.UnitsPerProjectMinute,
		UnitsPerProjectDay: cfg.UnitsPerProjectDay, BytesPerUserDay: int64(cfg.BytesPerUserDay),
	}, p.store.Days())
	return p, nil
}

// openStore opens data directory and keys.
func (p *parts) openStore(a *app, mode access) error {
	dir, err := p.cfg.Store()
	if err != nil {
		return err
	}
	if p.keys, err = a.openKeys(a.ctx, p.cfg, true); err != nil {
		return err
	}
	s, err := sqlite.Open(a.ctx, dir, p.keys.Store, sqlite.Options{
		Exclusive: bool(mode), Observe: p.metrics.StoreCommit, Written: p.written,
	})
	if err == nil {
		p.store = embedded{s}
	}
	return err
}

func (p *parts) written(user id.User, line audit.Entry) {
	if tell := p.audited.Load(); tell != nil {
		(*tell)(user, line)
	}
	if p.watched != nil {
		p.watched(user, line)
	}
}

// local finds the one user of the command line, or makes it; with exclusive,
// it is taken over.
func (p *parts) local(ctx context.Context, mode access) error {
	user, err := p.store.EnsureUser(ctx, localUser)
	if err != nil {
		return err
	}
	p.userID = user.ID
	if mode == exclusive {
		p.owner, err = p.store.Take(ctx, user.ID)
	}
	return err
}

func (p *parts) close() {
	if p.store != nil {
		if err := p.store.Close(); err != nil {
			p.log.Error("store not closed", "err", err)
		}
	}
	if p.keys != nil {
		p.keys.close()
	}
	if p.transport != nil {
		p.transport.CloseIdleConnections()
	}
}

// trusted gives the system's roots and those of the file.
func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{fmt.Errorf("SMTPSYNC_TLS_CA_FILE: %w", err)}
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, usageError{errors.New("SMTPSYNC_TLS_CA_FILE: no certificate in it: it must be PEM")}
	}
	return roots, nil
}

// granted gives the access tokens of the refresh token in file, or of the grant
// stored by login.
func (p *parts) granted(ctx context.Context, file string) (*oauth.Source, error) {
	if file != "" {
		refresh, err := readSecret("--google-refresh-token-file", file)
		if err != nil {
			return nil, err
		}
		return p.oauth.Source(refresh, gmail.ScopeInsert), nil
	}
	grant, err := p.store.Grant(ctx, p.userID)
	if errors.Is(err, account.ErrNone) {
		return nil, usageError{errors.New("there is no Google grant: run smtp-sync login, or give --google-refresh-token-file")}
	}
	if err != nil {
		return nil, err
	}
	return p.oauth.Source(grant.RefreshToken, gmail.ScopeInsert), nil
}

// pass puts together one sync of one mailbox, for the command line.
func (p *parts) pass(ctx context.Context, m account.Mailbox, tokens gmail.TokenSource) (bridge.Pass, id.Mailbox, error) {
	password := m.Password
	m.Password = vault.Secret{} // given anew for each pass, and not stored
	box, err := p.store.EnsureMailbox(ctx, p.userID, m)
	if err != nil {
		return bridge.Pass{}, id.Mailbox{}, err
	}
	m.Password = password
	budget := p.project.Budget(p.userID)
	if err := p.standing(ctx, box.ID, budget); err != nil {
		return bridge.Pass{}, id.Mailbox{}, err
	}
	keys, err := p.store.Keys(ctx, p.userID, box.ID)
	if err != nil {
		return bridge.Pass{}, id.Mailbox{}, err
	}
	client, err := gmail.New(gmail.Options{APIURL: p.cfg.GmailAPIURL, Tokens: tokens, Transport: p.transport})
	if err != nil {
		return bridge.Pass{}, id.Mailbox{}, err
	}
	books, err := p.owner.Ledger(ctx, box.ID)
	if err != nil {
		return bridge.Pass{}, id.Mailbox{}, err
	}
	pass := passOf(m)
	pass.Dialer, pass.Gmail, pass.Ledger, pass.Keys = dialer(m, nil, p.out), client, books, keys
	pass.Budget, pass.Memory, pass.Concurrency = budget, p.memory, concurrency(p.cfg.ConcurrencyPerUser)
	return pass, box.ID, nil
}

// standing takes a mailbox of the command line out of the schedule of serve,
// and obeys a time that an earlier run was told by Gmail.
func (p *parts) standing(ctx context.Context, box id.Mailbox, budget *quota.Budget) error {
	st, err := p.store.Schedule(ctx, p.userID, box)
	if err != nil {
		return err
	}
	if st.Class == mail.RateLimited && st.Until.After(time.Now()) {
		budget.Hold(st.Until)
	}
	if st.Phase == schedule.Paused {
		return nil
	}
	return p.store.Save(ctx, p.userID, box, schedule.State{Phase: schedule.Paused, Reason: schedule.Reason{
		Code: "by_hand", Detail: "smtp-sync sync brings this mailbox's mail", Help: "add the mailbox with its password to let the service do it",
	}})
}

// told keeps a time that Gmail has named, for the next run.
func (p *parts) told(ctx context.Context, box id.Mailbox, err error) {
	f, ok := mail.AsFault(err)
	if !ok || f.Class != mail.RateLimited || f.Scope == "source" || f.Until.IsZero() {
		return
	}
	ctx = context.WithoutCancel(ctx)
	st, err := p.store.Schedule(ctx, p.userID, box)
	if err == nil {
		st.Class, st.Until = mail.RateLimited, f.Until
		err = p.store.Save(ctx, p.userID, box, st)
	}
	if err != nil {
		p.log.Error("the time that Gmail named is not kept", "err", err)
	}
}

// passOf gives what the settings of a mailbox say about a pass.
func passOf(m account.Mailbox) bridge.Pass {
	a := after(m)
	pass := bridge.Pass{
		Folders: folderNames(m), AfterImport: bridge.Disposal(a.Do), KeepDays: a.Days, MoveTo: a.Folder, Archive: m.Archive,
		Since: since(m), Newest: m.NewestFirst, Connections: 1,
		Stamp: []byte(m.Host + "\x00" + m.Username),
	}
	if m.Label != "" {
		pass.Labels = []string{m.Label}
	}
	pass.Arrivals = arrivals(m)
	if m.Protocol == "imap" {
		pass.Connections = 2
	}
	return pass
}

// since is the day from which on mail is wanted; zero: all of it.
func since(m account.Mailbox) time.Time {
	if m.History == "new" {
		return m.Created
	}
	return m.Since
}

// concurrency gives the ceiling of uploads in flight; the setting's 0 is none.
func concurrency(setting int64) int {
	if setting == 0 {
		return maxParallel
	}
	return int(min(setting, maxParallel))
}

// destroyed reports a grant that Google has ended: what came from Google goes.
func (p *parts) destroyed(ctx context.Context, err error) {
	if f, ok := mail.AsFault(err); ok && f.Class == mail.Revoked {
		if err := p.store.DropGrant(context.WithoutCancel(ctx), p.userID); err != nil {
			p.log.Error("revoked grant not destroyed", "err", err)
		}
	}
}
