package server

import (
	"context"
	"embed"
	"html/template"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Status is how things are.
type Status struct {
	Title     string
	Note      string // one line below the title
	Mailboxes []Mailbox
	Recent    []Entry // newest first
}

// Mailbox is the state of one mailbox in the glossary's words.
type Mailbox struct {
	Name     string
	State    string // syncing, idle, waiting, failing
	Detail   string // why, and what to do
	Imported int
}

// Entry is one line of the audit: nothing else is ever shown of a message.
type Entry struct {
	At      time.Time
	Mailbox string
	Domain  string
	Status  string
	Reason  string
	Size    int64
}

// Server answers on one address.
type Server struct {
	app *fiber.App
	now func() Status
}

//go:embed web
var web embed.FS

var page = template.Must(template.ParseFS(web, "web/status.html"))

// New makes the server. status is called for each request and must be safe
// for concurrent use; ready says whether the process can do its work.
func New(status func() Status, ready func() bool) *Server {
	s := &Server{now: status, app: fiber.New(fiber.Config{
		Immutable:             true, // Fiber reuses the strings of a request otherwise
		DisableStartupMessage: true,
		BodyLimit:             1 << 20,
		ReadTimeout:           10 * time.Second,
	})}
	s.app.Use(headers)
	s.app.Get("/", s.status)
	s.app.Get("/style.css", func(c *fiber.Ctx) error {
		css, err := web.ReadFile("web/style.css")
		if err != nil {
			return err
		}
		c.Type("css")
		return c.Send(css)
	})
	s.app.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	s.app.Get("/readyz", func(c *fiber.Ctx) error {
		if !ready() {
			return c.Status(fiber.StatusServiceUnavailable).SendString("not ready\n")
		}
		return c.SendString("ok\n")
	})
	return s
}

// headers allows a page nothing but its own style.
func headers(c *fiber.Ctx) error {
	c.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	c.Set("X-Content-Type-Options", "nosniff")
	c.Set("Referrer-Policy", "no-referrer")
	c.Set("Cache-Control", "no-store")
	return c.Next()
}

func (s *Server) status(c *fiber.Ctx) error {
	c.Type("html", "utf-8")
	return page.Execute(c, s.now())
}

// Serve answers on l until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = s.app.ShutdownWithTimeout(2 * time.Second) })
	defer stop()
	return s.app.Listener(l)
}
