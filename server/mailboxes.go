package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
)

func (s *Service) listMailboxes(c *call) error {
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	list, next, err := paged(c, all, func(m account.Mailbox) string { return m.ID.String() })
	if err != nil {
		return err
	}
	out, err := s.views(c.ctx, c.who.user, list)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Mailboxes{Mailboxes: out, NextCursor: next})
}

// views gives mailboxes with their state.
func (s *Service) views(ctx context.Context, user id.User, list []account.Mailbox) ([]api.Mailbox, error) {
	out := make([]api.Mailbox, 0, len(list))
	if len(list) == 0 {
		return out, nil
	}
	tallies, err := s.o.Books.Tallies(ctx, user)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		stored, err := s.o.Schedules.Schedule(ctx, user, m.ID)
		if errors.Is(err, account.ErrNone) { // deleted meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		v := view(m)
		v.Standing = s.standing(user, m.ID, stored)
		t := tally(tallies[m.ID])
		v.Imported, v.Skipped, v.Refused, v.Doubtful = t.Imported, t.Skipped, t.Refused, t.Doubtful
		out = append(out, v)
	}
	return out, nil
}

// view gives the definition of a mailbox.
func view(m account.Mailbox) api.Mailbox {
	v := api.Mailbox{ID: m.ID.String(), Name: m.Name, Protocol: m.Protocol, Host: m.Host, Port: m.Port, Security: m.Security, Username: m.Username, Provider: m.Consent.Provider,
		Folders: []api.Folder{}, Label: m.Label, Archive: m.Archive, AfterImport: m.AfterImport, History: m.History, Since: m.Since.UTC(),
		NewestFirst: m.NewestFirst, Authserv: list(m.Authserv), CreatedAt: m.Created.UTC()}
	for _, f := range m.Folders {
		v.Folders = append(v.Folders, api.Folder(f))
	}
	if m.PollEvery != 0 {
		v.PollEvery = new(api.Duration(m.PollEvery))
	}
	return v
}

// standing says how a mailbox is doing: what memory knows, and what is stored
// where memory does not.
func (s *Service) standing(user id.User, box id.Mailbox, stored schedule.State) api.Standing {
	now, known := s.o.Engine.Status(user, box)
	if !known {
		now = actors.Status{Phase: stored.Phase, NextSync: stored.Until}
	}
	if now.LastSync.Before(stored.LastSync) {
		now.LastSync = stored.LastSync
	}
	if now.Reason == (schedule.Reason{}) && now.Phase == stored.Phase {
		now.Reason = stored.Reason
	}
	if now.Backlog == (schedule.Backlog{}) && now.Phase != schedule.Syncing {
		now.Backlog = stored.Backlog
	}
	return standingOf(now)
}

func standingOf(now actors.Status) api.Standing {
	out := api.Standing{State: now.Phase.String(), LastSyncAt: now.LastSync.UTC(), NextSyncAt: now.NextSync.UTC(),
		Backlog: api.Backlog{Messages: int64(now.Backlog.Messages), Bytes: now.Backlog.Bytes, ETA: now.Backlog.ETA.UTC()}}
	if now.Reason.Code != "" {
		out.Reason = new(api.Reason(now.Reason))
	}
	return out
}

func (s *Service) getMailbox(c *call) error { return s.showMailbox(c, fiber.StatusOK) }

// showMailbox answers with the mailbox in the path.
func (s *Service) showMailbox(c *call, status int) error {
	box, err := c.mailbox()
	if err != nil {
		return err
	}
	return s.answerMailbox(c, status, box)
}

func (s *Service) answerMailbox(c *call, status int, box id.Mailbox) error {
	m, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	v, err := s.views(c.ctx, c.who.user, []account.Mailbox{m})
	if err != nil {
		return err
	}
	if len(v) == 0 {
		return api.ErrNotFound
	}
	c.Set(fiber.HeaderETag, s.version(m))
	return c.answer(status, v[0])
}

// version is the ETag of a mailbox: another one whenever its definition is,
// the password included, and not when merely its state is.
func (s *Service) version(m account.Mailbox) string {
	b, err := json.Marshal(view(m))
	if err != nil {
		panic("server: " + err.Error()) // of our own type
	}
	return `"` + base64.RawURLEncoding.EncodeToString(s.versions.mark(string(b), m.Password.RevealString())) + `"`
}

// createMailbox answers without connecting: that is what the test is for.
func (s *Service) createMailbox(c *call, in api.MailboxNew) error {
	m, err := in.Check(s.o.Hosts)
	if err == nil {
		err = s.serves(m)
	}
	if err != nil {
		return err
	}
	m, err = s.add(c, m)
	if errors.Is(err, errDuplicate) {
		c.Set(fiber.HeaderLocation, s.to("/api/v1/mailboxes/"+m.ID.String()))
		there := *errDuplicate
		there.ID = m.ID.String()
		return &there
	}
	if err != nil {
		return err
	}
	c.made(m.ID.String())
	return s.answerMade(c, m.ID)
}

var errDuplicate = &api.Error{Status: fiber.StatusConflict, Code: "duplicate_mailbox", Detail: "this mailbox is there already", Help: "change the one that is there: Location names it"}

// add makes a mailbox and tells the engine. Of the same one there is only one:
// errDuplicate comes with that.
func (s *Service) add(c *call, m account.Mailbox) (account.Mailbox, error) {
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	if m.Consent.Provider == "" {
		if err := s.o.Prober.Admit(c.who.user, m); err != nil {
			return m, err
		}
	}
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return m, err
	}
	for _, o := range all {
		if o.Identity() == m.Identity() {
			return o, errDuplicate
		}
	}
	if m, err = s.o.Accounts.EnsureMailbox(c.ctx, c.who.user, m); err != nil {
		return m, err
	}
	return m, s.enlist(c, m.ID)
}

func (s *Service) answerMade(c *call, box id.Mailbox) error {
	c.Set(fiber.HeaderLocation, s.to("/api/v1/mailboxes/"+box.String()))
	return s.answerMailbox(c, fiber.StatusCreated, box)
}

// enlist tells the engine of a mailbox that is new or has changed.
func (s *Service) enlist(c *call, box id.Mailbox) error {
	r, err := s.o.Schedules.Registered(c.ctx, c.who.user, box)
	if err == nil {
		s.o.Engine.Register(r)
	}
	return err
}

func (s *Service) replayMailbox(c *call, a session.Answer) error {
	box, err := id.Parse[id.Mailbox](a.Resource)
	if err != nil {
		return api.ErrNotFound
	}
	return s.answerMade(c, box)
}

func (s *Service) patchMailbox(c *call, in api.MailboxPatch) error {
	if err := s.change(c, in, c.unmet); err != nil {
		return err
	}
	return s.showMailbox(c, fiber.StatusOK)
}

// change changes the mailbox in the path, unless its version is not what the
// caller has seen.
func (s *Service) change(c *call, in api.MailboxPatch, unmet func(version string) bool) error {
	box, err := c.mailbox()
	if err != nil {
		return err
	}
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	m, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	if unmet(s.version(m)) {
		return api.ErrVersion
	}
	next, err := in.Check(m, s.o.Hosts)
	if err == nil && in.Password != nil {
		err = s.o.Prober.Admit(c.who.user, next)
	}
	if err != nil {
		return err
	}
	if err := s.o.Accounts.UpdateMailbox(c.ctx, c.who.user, next); err != nil {
		return err
	}
	return s.goOn(c, box) // the user has done something about it
}

func (s *Service) deleteMailbox(c *call) error {
	box, err := c.mailbox()
	if err != nil {
		return err
	}
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	m, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	if c.unmet(s.version(m)) {
		return api.ErrVersion
	}
	r, err := s.WipeMailbox(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Wiped{Receipt: s.receipt(r)})
}
