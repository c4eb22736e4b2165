package server

import (
	"bytes"
	"embed"
	"html/template"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// A page is a file in web/pages of the same name as its main template, the
// handler in page_<name>.go, and, where it needs them, <name>.css and <name>.js
// in web/assets. What several pages use is in web/parts. Texts are in package
// text.

//go:embed web/pages web/parts
var pageFiles embed.FS

// functions are what pages may call, besides the methods of their frame.
var functions = template.FuncMap{"t": text.Say, "word": text.Word, "count": count, "octets": octets, "sentence": sentence, "after": afterWords, "because": because}

// templates are the pages, each in the layout.
var templates = readPages()

func readPages() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Option("missingkey=error").Funcs(functions).
		ParseFS(pageFiles, "web/pages/layout.html", "web/parts/*.html"))
	entries, err := pageFiles.ReadDir("web/pages")
	if err != nil {
		panic("server: " + err.Error()) // it is in the binary
	}
	out := map[string]*template.Template{}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".html"); name != "layout" {
			out[name] = template.Must(template.Must(layout.Clone()).ParseFS(pageFiles, "web/pages/"+e.Name()))
		}
	}
	return out
}

// frame is what every page has; in templates it is $.
type frame struct {
	Title           string
	CSRF            string // "" for who is not signed in
	Theme           string // light, dark, or "": as the system
	Nav             []place
	Styles, Scripts []string
	Icon            string
	Privacy, Terms  string
	Zone            *time.Location
	Now             time.Time
	Main            any
}

type place struct {
	Path, Name string
	Here       bool
}

// part is what a template of web/parts is given that needs more than its thing.
type part struct {
	frame
	Back string
	Main any
}

// With makes the part for a thing whose forms lead back to a place.
func (f frame) With(main any, back string) part { return part{f, back, main} }

// show answers with a page.
func (c *call) show(name, title string, main any) error {
	return c.showAs(fiber.StatusOK, name, title, main)
}

// showAs answers with a page and a status: the one of a form that cannot be
// taken as it is, say. Who is not signed in may see it too, where the route lets
// him.
func (c *call) showAs(status int, name, title string, main any) error {
	f := frame{Title: title, Main: main}
	if c.who.known() {
		z, err := c.zone()
		if err != nil {
			return err
		}
		f.CSRF, f.Zone = session.CSRF(c.who.cookie), z
	}
	return c.s.page(c.Ctx, status, name, f)
}

// zone is where the caller's clock stands.
func (c *call) zone() (*time.Location, error) {
	if c.clock != nil {
		return c.clock, nil
	}
	p, err := c.s.o.Accounts.Profile(c.ctx, c.who.user)
	if err != nil {
		return nil, err
	}
	if c.clock, err = time.LoadLocation(settings(p).TimeZone); err != nil { // not known to this machine
		c.clock = time.UTC
	}
	return c.clock, nil
}

// page answers with a page. It is made in memory first: a mistake in it must
// not come out as half a page.
func (s *Service) page(c *fiber.Ctx, status int, name string, f frame) error {
	if f.Zone == nil {
		f.Zone = time.UTC
	}
	f.Now = time.Now()
	f.Theme, f.Privacy, f.Terms = theme(c), s.o.PrivacyURL, s.o.TermsURL
	f.Styles, f.Scripts = existing("style.css", name+".css"), existing("app.js", name+".js")
	f.Icon = asset("icon.svg")
	f.Nav = s.places(c.Path())
	var b bytes.Buffer
	if err := templates[name].Execute(&b, f); err != nil {
		return err
	}
	c.Status(status).Type("html", "utf-8")
	return c.Send(b.Bytes())
}

// theme is what the switch in the footer has put into a cookie: read here, the
// first thing that a browser paints is right.
func theme(c *fiber.Ctx) string {
	switch v := c.Cookies("theme"); v {
	case "light", "dark":
		return v
	}
	return ""
}

// existing gives the addresses of those assets that there are.
func existing(names ...string) (out []string) {
	for _, n := range names {
		if _, ok := files[n]; ok {
			out = append(out, asset(n))
		}
	}
	return out
}

// places are the pages that every page leads to. The mark is where one is, or
// above it.
func (s *Service) places(here string) (out []place) {
	for _, p := range []place{
		{Path: "/mailboxes", Name: text.T("nav.mailboxes")}, {Path: "/audit", Name: text.T("nav.audit")}, {Path: "/rules", Name: text.T("nav.rules")},
		{Path: "/settings", Name: text.T("nav.settings")},
		{Path: "/privacy", Name: text.T("nav.privacy")}, {Path: "/api", Name: text.T("nav.api")},
	} {
		if s.has(p.Path) {
			p.Here = here == p.Path || strings.HasPrefix(here, p.Path+"/")
			out = append(out, p)
		}
	}
	return out
}

// has reports whether there is a page to look at.
func (s *Service) has(path string) bool {
	for _, r := range s.routes {
		if r.path == path && r.page && r.method == fiber.MethodGet {
			return true
		}
	}
	return false
}
