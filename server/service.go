package server

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/delay"
	"github.com/smtp-sync/smtp-sync/server/limit"
	"github.com/smtp-sync/smtp-sync/server/live"
)

// Options are all that the service needs. What has no comment is required.
type Options struct {
	PublicURL string
	// Key is for cursors and versions: 32 octets, the same on all nodes.
	Key vault.Secret

	Sessions   Sessions
	Accounts   Accounts
	Books      Books
	Rules      Rules
	Asker      Asker
	Usage      Usage
	Schedules  Schedules
	Engine     Engine
	Finder     Finder
	Prober     Prober
	Google     Google
	Sources    Sources
	Deliveries Deliveries
	Hosts      api.Hosts

	Notices    Notices    // nil: nobody is told anything
	MailEvents MailEvents // nil: nobody tells of mails
	Billing    Billing    // nil: nobody bills, and there are no routes for it

	Ready func() bool // whether the process can do its work

	SignUp         account.SignUp
	BytesPerDay    int64         // of a user; 0: no limit
	KeyHistory     time.Duration // how long a destroyed key can be brought back; 0: it cannot
	TrustedProxies []netip.Prefix
	OriginSecret   vault.Secret // empty: none is asked for
	PrivacyURL     string       // of the operator; may be ""
	TermsURL       string       // of the operator; may be ""
	Log            *slog.Logger
	Heartbeat      time.Duration // of event streams; 0: 15 s
	Waiting        *Waiting      // the demo's; nil: there is none
}

// Waiting is a mailbox of the demo that wants to be added. It is named where
// somebody would add it, and is a secret to nobody.
type Waiting struct{ Address, Password string }

// Service is the HTTP side of the product: API, sign-in and pages.
type Service struct {
	o      Options
	app    *fiber.App
	routes []*route
	hub    *live.Hub
	delays delay.Keeper
	again  again
	limits map[class]*limit.Limiter

	origin   string // of the public URL
	secure   bool   // it is https
	cookie   string // name of the session's
	flow     string // name of the sign-in's
	trip     string // name of that of a visit to a mailbox's provider
	cursors  signer
	versions signer
	sealed   sealer // what forms carry along
	document []byte // openapi.json
	policy   policy

	base context.Context // of every request; ends when requests must not go on
	stop context.CancelFunc

	edits [64]sync.Mutex // by user: what is read, compared and written
}

// NewService makes the service. It does not listen.
func NewService(o Options) (*Service, error) {
	u, err := url.Parse(o.PublicURL)
	if err != nil {
		return nil, err
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
	s := &Service{o: o, hub: live.New(), limits: limiters(), origin: u.Scheme + "://" + u.Host, secure: u.Scheme == "https",
		cursors: newSigner(o.Key, labelCursor), versions: newSigner(o.Key, labelVersion), sealed: newSealer(o.Key)}
	s.cookie, s.flow, s.trip = "session", "signin", "connect"
	if s.secure { // a cookie of this name can only have come from this host, over https
		s.cookie, s.flow, s.trip = "__Host-session", "__Host-signin", "__Host-connect"
	}
	s.base, s.stop = context.WithCancel(context.Background())
	s.policy.google, s.policy.sources, s.policy.bills = o.Google, strings.Join(o.Sources.Origins(), " "), o.Billing != nil
	s.routes = s.table()
	if s.document, err = s.describe(); err != nil {
		return nil, err
	}
	s.app = fiber.New(fiber.Config{
		Immutable:             true, // Fiber reuses the strings of a request otherwise
		DisableStartupMessage: true,
		CaseSensitive:         true,
		BodyLimit:             bodyLimit,
		ReadBufferSize:        8 << 10,  // bounds the header section
		WriteBufferSize:       16 << 10, // a page of the audit and most files go out in one write
		ReduceMemoryUsage:     true,     // an idle connection and an event stream hold no buffer to read into
		ReadTimeout:           30 * time.Second,
		IdleTimeout:           2 * time.Minute,
		// WriteTimeout stays 0: it would cut event streams. See unhurried.
		ErrorHandler:                 s.fail,
		DisableHeaderNormalizing:     false,
		DisablePreParseMultipartForm: true,
	})
	s.app.Server().HeaderReceived = room
	s.app.Use(s.observe, s.protect, s.behindProxy, s.asItIs)
	s.mount()
	s.files()
	return s, nil
}

// Serve answers on l until ctx ends: then requests may end, streams are told to
// come back, and it returns within seconds.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	ctx, end := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer end()
	work.Go(func() { s.hub.Run(ctx) })
	work.Go(func() { s.watch(ctx) })
	work.Go(func() {
		<-ctx.Done()
		s.hub.Close() // Fiber waits for open streams
		_ = s.app.ShutdownWithTimeout(2 * time.Second)
		s.stop()
	})
	return s.app.Listener(unhurried{l})
}

// edit gives the lock under which a user's things are read, compared and
// written.
func (s *Service) edit(user id.User) *sync.Mutex {
	h := sha256.Sum256(user[:])
	return &s.edits[int(h[0])%len(s.edits)]
}

// unhurried gives each write of an answer some time: a client that takes
// nothing for that long is gone, however long its stream may live.
type unhurried struct{ net.Listener }

const patience = 30 * time.Second

func (l unhurried) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return unhurriedConn{c}, nil
}

type unhurriedConn struct{ net.Conn }

func (c unhurriedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// to makes an address on this service.
func (s *Service) to(path string) string { return strings.TrimSuffix(s.o.PublicURL, "/") + path }
