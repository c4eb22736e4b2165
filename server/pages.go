package server

import (
	"bytes"
	"embed"
	"html/template"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
)

//go:embed web/pages
var pageFiles embed.FS

// templates are the pages, each in the layout.
var templates = func() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Option("missingkey=error").ParseFS(pageFiles, "web/pages/layout.html"))
	out := map[string]*template.Template{}
	for _, name := range []string{"error", "signin", "grant", "mailboxes", "audit"} {
		out[name] = template.Must(template.Must(layout.Clone()).ParseFS(pageFiles, "web/pages/"+name+".html"))
	}
	return out
}()

// frame is what every page has.
type frame struct {
	Title          string
	CSRF           string // "" for who is not signed in
	Nav            []place
	Style, Script  string
	Privacy, Terms string
	Main           any
}

type place struct {
	Path, Name string
	Here       bool
}

// page answers with a page. It is made in memory first: a mistake in it must
// not come out as half a page.
func (s *Service) page(c *fiber.Ctx, status int, name, title, csrf string, main any) error {
	f := frame{Title: title, CSRF: csrf, Style: asset("style.css"), Script: asset("app.js"), Privacy: s.o.PrivacyURL, Terms: s.o.TermsURL, Main: main}
	for _, p := range []place{{Path: "/mailboxes", Name: "Mailboxes"}, {Path: "/audit", Name: "Audit"}} {
		p.Here = c.Path() == p.Path
		f.Nav = append(f.Nav, p)
	}
	var b bytes.Buffer
	if err := templates[name].Execute(&b, f); err != nil {
		return err
	}
	c.Status(status).Type("html", "utf-8")
	return c.Send(b.Bytes())
}

// show answers with a page for who is signed in.
func (c *call) show(name, title string, main any) error {
	return c.s.page(c.Ctx, fiber.StatusOK, name, title, session.CSRF(c.who.cookie), main)
}

type signInView struct{ Why, Return string }

// errorPage says what went wrong; who has to sign in can do so there.
func (s *Service) errorPage(c *fiber.Ctx, p api.Problem) error {
	if p.Status == fiber.StatusUnauthorized {
		v := signInView{}
		if p.Code == api.ErrExpired.Code {
			v.Why = "Your session has ended. Sign in to go on."
		}
		if c.Method() == fiber.MethodGet {
			v.Return = string(c.Request().URI().RequestURI())
		}
		return s.page(c, p.Status, "signin", "Sign in", "", v)
	}
	return s.page(c, p.Status, "error", p.Title, "", p)
}

func (s *Service) pageRoutes() []*route {
	ok := []openapi.Answer{markup(200, "A page.")}
	back := []openapi.Answer{bare(303, "Back to the list.", "Location")}
	do := func(method, path, id, summary string, run func(*call) error, answers []openapi.Answer, rate class) *route {
		return &route{method: method, path: path, id: id, tag: "pages", summary: summary, access: person, rate: rate, page: true, answers: answers, do: plain(run)}
	}
	start := do("GET", "/", "start", "Start", s.start, []openapi.Answer{markup(200, "Signing in."), bare(303, "To the mailboxes.", "Location")}, reads)
	start.access = anybody
	return []*route{
		start,
		do("GET", "/mailboxes", "mailboxesPage", "Mailboxes", s.mailboxesPage, ok, reads),
		do("GET", "/audit", "auditPage", "Audit", s.auditPage, ok, reads),
		do("POST", "/mailboxes/{id}/sync", "syncForm", "Look for mail now", s.form(s.o.Engine.SyncNow), back, writes),
		do("POST", "/mailboxes/{id}/pause", "pauseForm", "Stop for now", s.form(s.o.Engine.Pause), back, writes),
		do("POST", "/mailboxes/{id}/resume", "resumeForm", "Go on", s.form(s.o.Engine.Resume), back, writes),
	}
}

func (s *Service) start(c *call) error {
	if c.who.known() {
		return seeOther(c, s.to("/mailboxes"))
	}
	return s.page(c.Ctx, fiber.StatusOK, "signin", "Sign in", "", signInView{})
}

// form does what the button of a form asks for and goes back to the list.
func (s *Service) form(do act) func(*call) error {
	return func(c *call) error {
		box, err := c.mailbox()
		if err != nil {
			return err
		}
		if _, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box); err != nil {
			return err
		}
		if err := do(c.ctx, c.who.user, box); err != nil {
			return engineError(err)
		}
		return seeOther(c, s.to("/mailboxes"))
	}
}

type grantView struct {
	Status string
	Labels bool
}

func (s *Service) grantPage(c *call) error {
	s.policy.discover(c.ctx)
	s.headers(c.Ctx) // the policy may have changed
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	return c.show("grant", "Connect Gmail", grantView{Status: me.Grant.Status, Labels: c.Query("labels") == "1"})
}

type mailboxesView struct {
	Grant     string
	Mailboxes []api.Mailbox
}

func (s *Service) mailboxesPage(c *call) error {
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	views, err := s.views(c.ctx, c.who.user, all)
	if err != nil {
		return err
	}
	return c.show("mailboxes", "Mailboxes", mailboxesView{Grant: me.Grant.Status, Mailboxes: views})
}

type option struct {
	Value, Name string
	Chosen      bool
}

type lineView struct {
	api.Entry
	Mailbox string
}

type auditView struct {
	Statuses, Boxes  []option
	Domain, From, To string
	Entries          []lineView
	Next             string
	Filtered         bool
}

func (s *Service) auditPage(c *call) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	boxes, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	v := auditView{Domain: c.Query("domain"), From: c.Query("from"), To: c.Query("to")}
	v.Filtered = v.Domain+v.From+v.To+c.Query("status")+c.Query("mailbox") != ""
	v.Statuses = append(v.Statuses, option{Name: "any"})
	for _, status := range []string{"imported", "skipped", "refused", "doubtful", "failed"} {
		v.Statuses = append(v.Statuses, option{status, status, status == c.Query("status")})
	}
	names := named(boxes)
	v.Boxes = append(v.Boxes, option{Name: "any"})
	for _, b := range boxes {
		v.Boxes = append(v.Boxes, option{b.ID.String(), b.Name, b.ID == f.Mailbox})
	}
	filter := []string{c.Query("mailbox"), c.Query("status"), c.Query("domain"), c.Query("from"), c.Query("to")}
	position, err := c.position(filter...)
	if err != nil {
		return err
	}
	p, err := s.o.Books.List(c.ctx, c.who.user, f, position, defaultPage)
	if err != nil {
		return err
	}
	for _, e := range p.Entries {
		v.Entries = append(v.Entries, lineView{entry(e), names[e.Mailbox]})
	}
	if p.Next != "" {
		v.Next = "/audit?" + url.Values{"mailbox": {filter[0]}, "status": {filter[1]}, "domain": {filter[2]}, "from": {filter[3]}, "to": {filter[4]},
			"cursor": {c.cursor(p.Next, filter...)}}.Encode()
	}
	return c.show("audit", "Audit", v)
}

func named(boxes []account.Mailbox) map[id.Mailbox]string {
	out := map[id.Mailbox]string{}
	for _, b := range boxes {
		out[b.ID] = b.Name
	}
	return out
}
