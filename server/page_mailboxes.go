package server

import (
	"context"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/chart"
	"github.com/smtp-sync/smtp-sync/server/text"
)

func (s *Service) mailboxesPage() []*route {
	return []*route{
		pageAt("/mailboxes", "mailboxesPage", "Mailboxes", s.showMailboxes),
		formAt("/mailboxes/{id}/sync", "syncForm", "Look for mail now", s.form(s.o.Engine.SyncNow)),
		formAt("/mailboxes/{id}/pause", "pauseForm", "Stop for now", s.form(s.o.Engine.Pause)),
		formAt("/mailboxes/{id}/resume", "resumeForm", "Go on", s.form(s.o.Engine.Resume)),
	}
}

// form does what the button of a form asks for, and goes back to where it was.
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
		if c.FormValue("back") == "mailbox" {
			return seeOther(c, s.to("/mailboxes/"+box.String()))
		}
		return seeOther(c, s.to("/mailboxes"))
	}
}

type mailboxesView struct {
	Grant     string
	Mailboxes []boxView
}

// boxView is a mailbox as pages show it.
type boxView struct {
	api.Mailbox
	Today  int64 // imported since midnight
	Pushed bool  // its server tells of new mail
	Strip  stripView
}

// Connect is the page that asks Google for what the mailbox stands still for; ""
// if its cure is elsewhere.
func (b boxView) Connect() string {
	if b.Reason == nil || !strings.HasPrefix(b.Reason.Code, "grant_") || b.Reason.Code == "grant_api_disabled" {
		return ""
	}
	return grantPath("/mailboxes/"+b.ID, false)
}

// SignIn is the page that leads to the provider whose sign-in may mend what is
// wrong with the mailbox; "" if its cure is elsewhere.
func (b boxView) SignIn() string {
	if b.Reason == nil || !mends(b.Reason.Code) {
		return ""
	}
	return "/mailboxes/" + b.ID + "/connect"
}

type stripView struct {
	Drawing template.HTML
	Text    string
}

func (s *Service) showMailboxes(c *call) error {
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	v := mailboxesView{Grant: me.Grant.Status}
	if v.Mailboxes, err = s.boxes(c, all); err != nil {
		return err
	}
	return c.show("mailboxes", text.T("mailboxes.title"), v)
}

const day = 24 * time.Hour

// boxes gives mailboxes with what has happened in them within a day.
func (s *Service) boxes(c *call, list []account.Mailbox) ([]boxView, error) {
	views, err := s.views(c.ctx, c.who.user, list)
	if err != nil || len(views) == 0 {
		return nil, err
	}
	clock, err := c.zone()
	if err != nil {
		return nil, err
	}
	stats, err := s.dayOf(c.ctx, c.who.user)
	if err != nil {
		return nil, err
	}
	now := time.Now().In(clock)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, clock)
	out := make([]boxView, len(views))
	for i, v := range views {
		box, err := id.Parse[id.Mailbox](v.ID)
		if err != nil {
			return nil, err // ours
		}
		now, _ := s.o.Engine.Status(c.who.user, box)
		out[i] = boxView{Mailbox: v, Pushed: now.Pushed, Strip: strip(v, stats, box, clock)}
		for step, t := range stats.Boxes[box] {
			if !stats.At(step).Before(midnight) {
				out[i].Today += t[mail.Imported].Messages
			}
		}
		// The books are added up a little later than the log is written.
		out[i].Imported.Messages = max(out[i].Imported.Messages, out[i].Today)
	}
	return out, nil
}

func (s *Service) dayOf(ctx context.Context, user id.User) (audit.Stats, error) {
	return s.o.Books.Stats(ctx, user, audit.WindowOf(time.Now(), day))
}

// worst are the outcomes by how much they want to be seen.
var worst = []string{"imported", "skipped", "failed", "refused", "doubtful"}

// strip draws a day of a mailbox, and says the same.
func strip(v api.Mailbox, stats audit.Stats, box id.Mailbox, clock *time.Location) stripView {
	words := make([]string, stats.Steps)
	total := map[string]int64{}
	for i, w := range stats.Strips[box] {
		words[i] = string(w)
		for status, a := range stats.Boxes[box][i] {
			total[string(status)] += a.Messages
		}
	}
	var said []string
	for _, w := range slices.Backward(worst) {
		if total[w] > 0 {
			said = append(said, count(total[w])+" "+text.Word("status", w))
		}
	}
	out := stripView{Text: text.T("strip.nothing")}
	if len(said) > 0 {
		out.Text = text.T("strip.day", "what", strings.Join(said, ", "))
	}
	c := chart.Chart{ID: "strip-" + v.ID, Title: text.T("strip.title", "name", v.Name), Desc: out.Text, Hint: func(_, step int) string {
		what := text.T("strip.none")
		if words[step] != "" {
			what = text.Word("status", words[step])
		}
		return stats.At(step).In(clock).Format("15:04") + " " + what
	}}
	out.Drawing = c.Strip(words, worst)
	return out
}
