package server

import (
	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
	"github.com/smtp-sync/smtp-sync/server/text"
)

func (s *Service) startPage() []*route {
	r := pageAt("/", "start", "Start", s.start)
	r.access, r.answers = anybody, []openapi.Answer{markup(200, "Signing in."), bare(303, "To the mailboxes.", "Location")}
	return []*route{r}
}

func (s *Service) start(c *call) error {
	if c.who.known() {
		return seeOther(c, s.to("/mailboxes"))
	}
	return s.page(c.Ctx, fiber.StatusOK, "signin", frame{Title: text.T("signin.title"), Main: signInView{}})
}

type signInView struct{ Why, Return string }

// errorPage says what went wrong; who has to sign in can do so there.
func (s *Service) errorPage(c *fiber.Ctx, p api.Problem) error {
	if p.Status == fiber.StatusUnauthorized {
		v := signInView{}
		if p.Code == api.ErrExpired.Code {
			v.Why = text.T("signin.expired")
		}
		if r, _ := c.Locals(localRoute).(*route); c.Method() == fiber.MethodGet || r != nil && s.has(r.path) {
			v.Return = string(c.Request().URI().RequestURI()) // of a form: the page that it was on
		}
		return s.page(c, p.Status, "signin", frame{Title: text.T("signin.title"), Main: v})
	}
	return s.page(c, p.Status, "error", frame{Title: p.Title, Main: p})
}
