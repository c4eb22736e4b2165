package server

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// whyView is the page that says why a mail is not in Gmail.
type whyView struct {
	Boxes        []option
	Date, Domain string
	Asked        bool
	Wrong        wrongs
	Box          string // name of the mailbox
	BoxID        string
	api.Why
	Said []said // what each place said
}

func (s *Service) whyPage() []*route {
	page := pageAt("/why", "whyPage", "Why a mail is not in Gmail", s.showWhy)
	page.rate = streams
	page.params = []openapi.Param{query("mailbox", "Where it should have come from."), query("date", "The day it was sent."), query("domain", "What stands after the @ of its sender.")}
	return []*route{page}
}

// showWhy answers once all is there that it needs; until then it is the form.
func (s *Service) showWhy(c *call) error {
	boxes, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	v := whyView{Date: strings.TrimSpace(c.Query("date")), Domain: senderDomain(c.Query("domain"))}
	asked := c.Query("mailbox")
	for _, b := range boxes {
		v.Boxes = append(v.Boxes, option{b.ID.String(), b.Name, b.ID.String() == asked})
	}
	if asked == "" && v.Date == "" {
		return c.showAs(fiber.StatusOK, "why", text.T("why.title"), v)
	}
	box, err := id.Parse[id.Mailbox](asked)
	if err != nil && asked != "" {
		return api.ErrNotFound
	}
	clock, err := c.zone()
	if err != nil {
		return err
	}
	day, err := time.ParseInLocation(time.DateOnly, v.Date, clock)
	if err != nil || day.Year() < 1970 || day.Year() > 2999 {
		v.Wrong = append(v.Wrong, wrong{ID: "date", Name: "date", Text: text.T("why.date.wrong")})
	}
	if asked == "" {
		v.Wrong = append(v.Wrong, wrong{ID: "mailbox", Name: "mailbox", Text: text.T("why.mailbox.wrong")})
	}
	if len(v.Wrong) > 0 {
		return c.showAs(fiber.StatusUnprocessableEntity, "why", text.T("why.title"), v)
	}
	m, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	if v.Why, err = s.whyOf(c, m, audit.Filter{Mailbox: box, Domain: v.Domain}.OnDay(day)); err != nil {
		return err
	}
	v.Asked, v.Box, v.BoxID = true, m.Name, box.String()
	for _, f := range v.Findings {
		v.Said = append(v.Said, said{f.Place, sentence(f.Detail)})
	}
	v.Answer, v.Help = sentence(v.Answer), sentence(v.Help)
	return c.showAs(fiber.StatusOK, "why", text.T("why.title"), v)
}

// senderDomain takes what people type for a domain: a whole address, an @ before
// it, capitals.
func senderDomain(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	return s[strings.LastIndexByte(s, '@')+1:]
}
