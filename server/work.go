package server

import (
	"context"
	"errors"
	"math"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// act is one of the engine's methods on a mailbox.
type act func(ctx context.Context, user id.User, box id.Mailbox) error

func (s *Service) syncMailbox(c *call) error {
	return s.acted(c, s.o.Engine.SyncNow, fiber.StatusAccepted)
}

func (s *Service) pauseMailbox(c *call) error {
	return s.acted(c, s.o.Engine.Pause, fiber.StatusOK)
}

func (s *Service) resumeMailbox(c *call) error {
	return s.acted(c, s.o.Engine.Resume, fiber.StatusOK)
}

// acted does it and answers with the mailbox as it then is.
func (s *Service) acted(c *call, do act, status int) error {
	box, err := c.mailbox()
	if err != nil {
		return err
	}
	// Whether it is his is not the engine's to say.
	if _, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box); err != nil {
		return err
	}
	if err := do(c.ctx, c.who.user, box); err != nil {
		return engineError(err)
	}
	return s.answerMailbox(c, status, box)
}

// replayAct: it was asked for before, and has been done.
func (s *Service) replayAct(c *call, a session.Answer) error { return s.showMailbox(c, a.Status) }

// engineError translates what the engine says.
func engineError(err error) error {
	switch {
	case errors.Is(err, actors.ErrPaused):
		return &api.Error{Status: fiber.StatusConflict, Code: "mailbox_paused", Detail: "the mailbox is paused", Help: "resume it first"}
	case errors.Is(err, actors.ErrDrained):
		return &api.Error{Status: fiber.StatusServiceUnavailable, Code: "restarting", Detail: "the service is being restarted", Help: "try again in some seconds"}
	}
	return err
}

func (s *Service) discover(c *call) error {
	if c.Query("address") == "" {
		return missing("address")
	}
	found, err := s.o.Finder.Find(c.ctx, c.Query("address"))
	if err != nil {
		return api.Named("address", err)
	}
	out := make([]api.Candidate, len(found))
	for i, f := range found {
		out[i] = s.candidate(f)
	}
	return c.answer(fiber.StatusOK, out)
}

func (s *Service) testMailbox(c *call, in api.MailboxTry) error {
	m, err := in.Check(s.o.Hosts)
	if err != nil {
		return err
	}
	r, err := s.o.Prober.Test(c.ctx, c.who.user, m, nil)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, trial(r))
}

func trial(r probe.Result) api.Trial {
	t := api.Trial{OK: r.OK, Steps: make([]api.Step, len(r.Steps)), Messages: r.Messages, Bytes: r.Bytes, Folders: make([]api.RemoteFolder, len(r.Folders))}
	for i, o := range r.Steps {
		t.Steps[i] = step(o)
	}
	for i, f := range r.Folders {
		t.Folders[i] = api.RemoteFolder(f)
	}
	return t
}

func step(o probe.Step) api.Step {
	s := api.Step{Name: o.Name, OK: o.OK, MS: o.MS, Code: o.Code, Detail: o.Detail, Help: o.Help}
	if o.TLS != nil {
		s.TLS = new(api.TLS(*o.TLS))
	}
	return s
}

// estimate asks the server how much there is. How much of it is since a date
// it does not tell without listing all, so that is said as an upper bound.
func (s *Service) estimate(c *call, in api.EstimateNew) error {
	box, err := c.mailbox()
	if err != nil {
		return err
	}
	m, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	if _, err := in.Check(); err != nil {
		return err
	}
	if in.History == "new" {
		return c.answer(fiber.StatusOK, api.Estimate{})
	}
	r, err := s.o.Prober.Test(c.ctx, c.who.user, m, nil)
	if err != nil {
		return err
	}
	if !r.OK {
		last := r.Steps[len(r.Steps)-1]
		return &api.Error{Status: fiber.StatusConflict, Code: last.Code, Detail: last.Detail, Help: last.Help}
	}
	e := api.Estimate{AtMost: in.History == "since"}
	if r.Messages != nil {
		e.Messages = *r.Messages
	}
	if r.Bytes != nil {
		e.Bytes = *r.Bytes
	}
	if s.o.BytesPerDay > 0 {
		e.Days = math.Round(10*float64(e.Bytes)/float64(s.o.BytesPerDay)) / 10
	}
	return c.answer(fiber.StatusOK, e)
}
