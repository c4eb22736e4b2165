package server

import (
	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/server/openapi"
)

// pageRoutes are the routes of all pages; each page has its own in its file.
func (s *Service) pageRoutes() (all []*route) {
	for _, page := range [][]*route{s.startPage(), s.newPage(), s.importPage(), s.mailboxesPage(), s.mailboxPage(), s.editPage(), s.connectPage(), s.wipePage(), s.auditPage(), s.decisionForms(), s.whyPage(), s.rulesPage(),
		s.settingsPage(), s.lensPage(), s.privacyPage(), s.apiPage()} {
		all = append(all, page...)
	}
	return all
}

// pageAt is the route of a page for who is signed in.
func pageAt(path, id, summary string, run func(*call) error) *route {
	return &route{method: fiber.MethodGet, path: path, id: id, tag: "pages", summary: summary, access: person, rate: reads, page: true,
		answers: []openapi.Answer{markup(200, "A page.")}, do: plain(run)}
}

// stepAt is the route that a form on a page is sent to which may answer with the
// next page, or with the same one and what is wrong.
func stepAt(path, id, summary string, run func(*call) error) *route {
	r := formAt(path, id, summary, run)
	r.answers = append(r.answers, markup(200, "A page."))
	return r
}

// formAt is the route that a form on a page is sent to; it goes on to another page.
func formAt(path, id, summary string, run func(*call) error) *route {
	return &route{method: fiber.MethodPost, path: path, id: id, tag: "pages", summary: summary, access: person, rate: writes, page: true,
		answers: []openapi.Answer{bare(303, "To where it goes on.", "Location")}, do: plain(run)}
}
