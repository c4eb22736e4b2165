package server

import (
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
)

// decisions are what can be wanted about a message that is not in Gmail, each
// with a route of the API and one for its button.
var decisions = []struct {
	audit.Decision
	summary, doc string
}{
	{audit.Retry, "Try a message again", "One that failed, was refused, or is doubtful. A doubtful one may be in Gmail already: then it is there twice."},
	{audit.Import, "Import a message after all", "One that a rule has skipped, or that Gmail has refused. No rule skips it again."},
	{audit.Done, "A doubtful message is in Gmail", "Its entry becomes an imported one, and it is never imported again."},
}

func (s *Service) decisionRoutes() (all []*route) {
	for _, d := range decisions {
		all = append(all, &route{method: fiber.MethodPost, path: v1 + "/audit/{id}/" + string(d.Decision), id: string(d.Decision) + "Message", tag: "audit",
			summary: d.summary, doc: d.doc, access: personal, scope: "mailboxes:write", rate: writes,
			answers: []openapi.Answer{bare(202, "The mailbox is being looked at.")}, replay: decided,
			do: plain(func(c *call) error {
				if _, err := s.decide(c, d.Decision); err != nil {
					return err
				}
				return decided(c, session.Answer{Status: fiber.StatusAccepted})
			})})
	}
	return all
}

func decided(c *call, a session.Answer) error {
	c.Status(a.Status)
	return nil
}

// decisionForms are the buttons beside a line.
func (s *Service) decisionForms() (all []*route) {
	for _, d := range decisions {
		all = append(all, formAt("/audit/{id}/"+string(d.Decision), string(d.Decision)+"Form", d.summary, func(c *call) error {
			box, err := s.decide(c, d.Decision)
			if err != nil {
				return err
			}
			if c.FormValue("back") == "mailbox" {
				return seeOther(c, s.to("/mailboxes/"+box.String()))
			}
			return seeOther(c, s.to("/audit"))
		}))
	}
	return all
}

// decide does what is wanted about the line in the path, and has its mailbox
// looked at. Where that cannot be now (it is paused, say), the next pass sees
// the decision.
func (s *Service) decide(c *call, d audit.Decision) (id.Mailbox, error) {
	line, err := id.Parse[id.Audit](c.Params("id"))
	if err != nil {
		return id.Mailbox{}, api.ErrNotFound
	}
	box, err := s.o.Books.Decide(c.ctx, c.who.user, line, d)
	if f, ok := mail.AsFault(err); ok && errors.Is(err, audit.ErrDecision) {
		return box, &api.Error{Status: fiber.StatusConflict, Code: f.Code, Detail: f.Text, Help: f.Help}
	}
	if err == nil {
		_ = s.o.Engine.SyncNow(c.ctx, c.who.user, box)
	}
	return box, err
}

// choices are the decisions that a line offers, by its status.
var choices = map[mail.Status][]audit.Decision{
	mail.Failed:   {audit.Retry},
	mail.Rejected: {audit.Retry},
	mail.Skipped:  {audit.Import},
	mail.Doubtful: {audit.Done, audit.Retry},
}
