package server

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
)

func (s *Service) why(c *call) error {
	if c.Query("mailbox") == "" {
		return missing("mailbox")
	}
	box, err := id.Parse[id.Mailbox](c.Query("mailbox"))
	if err != nil {
		return api.ErrNotFound
	}
	m, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	day, err := c.moment("date")
	if err != nil {
		return err
	}
	if day.IsZero() {
		return missing("date")
	}
	out, err := s.whyOf(c, m, audit.Filter{Mailbox: box, Domain: senderDomain(c.Query("domain"))}.OnDay(day))
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, out)
}

// whyOf asks every place about the mail of a day. The log knows when a mail was
// handled, not when it was sent: where it has none from the domain on that day,
// those since then are meant.
func (s *Service) whyOf(c *call, m account.Mailbox, f audit.Filter) (api.Why, error) {
	clues, err := s.o.Asker.Why(c.ctx, c.who.user, m, f)
	if err != nil {
		return api.Why{}, err
	}
	stored, err := s.o.Schedules.Schedule(c.ctx, c.who.user, m.ID)
	if err != nil {
		return api.Why{}, err
	}
	out := api.Why{Findings: append([]api.Clue{}, clues...), Entries: []api.Entry{}, Mailbox: s.standing(c.who.user, m.ID, stored)}
	p, err := s.o.Books.List(c.ctx, c.who.user, f, "", defaultPage)
	if err == nil && len(p.Entries) == 0 && f.Domain != "" {
		f.To = time.Time{}
		p, err = s.o.Books.List(c.ctx, c.who.user, f, "", defaultPage)
	}
	if err != nil {
		return api.Why{}, err
	}
	for _, e := range p.Entries {
		out.Entries = append(out.Entries, entry(e))
	}
	out.Answer, out.Help = conclude(out, f)
	return out, nil
}

// conclude says it in one sentence: what was found first of the worst, else what
// stands in the way, else that there was nothing, where that can be known.
func conclude(w api.Why, f audit.Filter) (answer, help string) {
	found, clue := map[string]bool{}, map[string]string{}
	for _, e := range w.Entries {
		found[e.Status] = true
	}
	for _, c := range w.Findings {
		found[c.Code] = true // of the log, more than the entries here
		clue[c.Code] = c.Detail
	}
	mail := "mail that was handled on that day"
	if f.Domain != "" {
		mail = "mail from this domain that was handled since that day"
		if !f.To.IsZero() {
			mail = "mail from this domain that was handled on that day"
		}
	}
	switch {
	case found["refused"]:
		return "Gmail has refused " + mail, "the reason is in its entry"
	case found["skipped"]:
		return "a rule has skipped " + mail, "the reason is in its entry"
	case found["doubtful"]:
		return "of " + mail + " it is not known whether it has reached Gmail", "look there, then decide"
	case found["failed"]:
		return mail + " could not be imported yet", "it is tried again"
	case found["imported"]:
		return "all " + mail + " is in Gmail", "look into Spam and All Mail there"
	case w.Mailbox.Reason != nil:
		return "the mailbox is not being read: " + w.Mailbox.Reason.Detail, w.Mailbox.Reason.Help
	case w.Mailbox.LastSyncAt.IsZero():
		return "the mailbox has not been read yet", ""
	case clue["before_history"] != "":
		return clue["before_history"], "change the history of the mailbox if you want it"
	case w.Mailbox.Backlog.Messages > 0:
		return "the mailbox has mail that is still to be brought", "wait until nothing is left to come"
	case f.Domain == "":
		return "nothing was handled on that day, but mail that was sent then may have come on another", "name the domain of its sender"
	case clue["forgotten"] != "":
		return "nothing from this domain is in the log, which does not reach back to that day", "search Gmail, with Spam and All Mail"
	}
	return "no mail from this domain has been in the mailbox since that day, when it was read",
		"look for it at your old provider, in its spam folder too; a sender may write from another domain than you expect, such as mail.shop.example"
}
