package server

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// editView is the page that changes a mailbox.
type editView struct {
	*draft
	ID, Title string
	Version   string // what the form changes; another one in the meantime is refused
	Wrong     wrongs
	Outcome   *outcome
	Changed   bool // by somebody else, meanwhile
	Labels    bool // Google allows them
	Polls     []option
	// HasPassword: a new one was typed on a page before.
	HasPassword bool
	SignedIn    string // name of the provider whose sign-in opens it; "": a password does
	Door        door
}

// polls are the pauses that the page offers.
var polls = []api.Duration{0, api.Duration(time.Minute), api.Duration(5 * time.Minute), api.Duration(15 * time.Minute), api.Duration(time.Hour), api.Duration(6 * time.Hour), api.Duration(24 * time.Hour)}

func draftOf(m account.Mailbox) *draft {
	d := &draft{Label: m.Label, Archive: m.Archive, AfterImport: m.AfterImport, Name: m.Name, PollEvery: api.Duration(m.PollEvery).String(), Authserv: strings.Join(m.Authserv, " ")}
	d.pin(m)
	for i, f := range m.Folders {
		d.Folders = append(d.Folders, folderRow{Index: i, Name: f.Name, Label: f.Label, Chosen: true})
	}
	if len(m.Folders) == 0 && m.Protocol == "imap" {
		d.Folders = []folderRow{{Name: "INBOX", Chosen: true}}
	}
	return d
}

// pin puts what cannot be changed, whatever a form says: a password may go to
// this mailbox's own server only.
func (d *draft) pin(m account.Mailbox) {
	d.Protocol, d.Host, d.Security, d.Username = m.Protocol, m.Host, m.Security, m.Username
}

// own gives the mailbox in the path, if it is the caller's.
func (s *Service) own(c *call) (account.Mailbox, error) {
	box, err := c.mailbox()
	if err != nil {
		return account.Mailbox{}, err
	}
	return s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
}

func (s *Service) editPage() []*route {
	form := stepAt("/mailboxes/{id}/edit", "editMailboxForm", "Change or test a mailbox", s.editForm)
	form.rate = probes
	return []*route{pageAt("/mailboxes/{id}/edit", "editMailboxPage", "Change a mailbox", s.startEdit), form}
}

func (s *Service) startEdit(c *call) error {
	m, err := s.own(c)
	if err != nil {
		return err
	}
	return s.showEdit(c, fiber.StatusOK, m, editView{draft: draftOf(m), Version: s.version(m)})
}

func (s *Service) showEdit(c *call, status int, m account.Mailbox, v editView) error {
	a, err := s.o.Accounts.Access(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	v.ID, v.Title, v.Labels = m.ID.String(), m.Name, allows(a, oauth.ScopeLabels)
	v.HasPassword = v.Kept != ""
	v.Door = s.doorOf(m.Host, m.Protocol)
	if m.Consent.Provider != "" {
		v.SignedIn = s.nameOf(m.Consent.Provider)
	}
	v.Polls = pollOptions(v.PollEvery)
	return c.showAs(status, "edit", text.T("edit.title"), v)
}

// pollOptions are the offered pauses and the one that is set.
func pollOptions(set string) (out []option) {
	offered := polls
	if d := api.ParseDuration(set); d.Valid() && !slices.Contains(polls, d) {
		offered = append(slices.Clone(polls), d)
	}
	for _, d := range offered {
		out = append(out, option{Value: d.String(), Name: d.String(), Chosen: d == api.ParseDuration(set)})
	}
	return out
}

// editForm saves, or tests with what the form says.
func (s *Service) editForm(c *call) error {
	m, err := s.own(c)
	if err != nil {
		return err
	}
	v, err := c.form()
	if err != nil {
		return err
	}
	d := readDraft(v)
	d.pin(m)
	view := editView{draft: d, Version: v.Get("version")}
	password := d.password(c)
	if v.Get("step") == "test" {
		return s.tryAgain(c, m, view, password)
	}
	to, release := c.press()
	defer release()
	if to != "" {
		return seeOther(c, to)
	}
	patch, rows := d.patch(m, v, password)
	err = s.change(c, patch, func(version string) bool { return version != view.Version })
	if errors.Is(err, api.ErrVersion) {
		view.Changed = true
		return s.showEdit(c, fiber.StatusPreconditionFailed, m, view)
	}
	if p := problem(err); err != nil && p.Code == "too_many_guesses" {
		view.Kept = ""
		view.Wrong = wrongs{{ID: "password", Name: "password", Text: sentence(p.Detail), Help: sentence(p.Help)}}
		return s.showEdit(c, p.Status, m, view)
	}
	w, err := faultsOf(err, inEdit(rows))
	if err != nil {
		return err
	}
	if len(w) > 0 {
		view.Wrong = w
		return s.showEdit(c, fiber.StatusUnprocessableEntity, m, view)
	}
	if m, err = s.own(c); err != nil {
		return err
	}
	return s.onward(c, m)
}

// patch is what the form changes. A password that is left empty stays.
func (d *draft) patch(m account.Mailbox, v url.Values, password string) (p api.MailboxPatch, rows []int) {
	label := strings.TrimSpace(d.Label)
	p = api.MailboxPatch{Name: &d.Name, Label: &label, Archive: &d.Archive, AfterImport: &d.AfterImport}
	if password != "" {
		p.Password = &password
	}
	if v.Has("poll_every") {
		p.PollEvery = new(api.ParseDuration(d.PollEvery))
	}
	if v.Has("authserv") {
		p.Authserv = new(parted(d.Authserv))
	}
	if m.Protocol == "imap" && v.Has("folder") {
		var f []api.Folder
		f, rows = picked(m.Protocol, d.Folders)
		p.Folders = &f
	}
	return p, rows
}

// inEdit is onPage, with the trusted servers in one field.
func inEdit(rows []int) func(string) string {
	on := onPage(rows)
	return func(field string) string {
		if strings.HasPrefix(field, "authserv[") {
			return "authserv"
		}
		return on(field)
	}
}

// tryAgain tests the mailbox with the password of the form, or with its own.
func (s *Service) tryAgain(c *call, m account.Mailbox, view editView, password string) error {
	with := m
	if password != "" {
		_, err := api.MailboxPatch{Password: &password}.Check(m, s.o.Hosts)
		w, err := faultsOf(err, nil)
		if err != nil {
			return err
		}
		if len(w) > 0 {
			view.Wrong = w
			return s.showEdit(c, fiber.StatusUnprocessableEntity, m, view)
		}
		with.Password, with.Consent = vault.NewSecret(password), account.Consent{}
	}
	o, err := s.test(c.ctx, c.who.user, with, nil)
	if err != nil {
		return err
	}
	view.Outcome = &o
	if !o.ok() {
		field, said := failedField(o)
		if field == "password" && with.Consent.Provider == "" {
			view.Kept = ""
		} else {
			field = "test"
		}
		view.Wrong = wrongs{{ID: field, Name: field, Text: sentence(said.Detail), Help: cure(o)}}
		return s.showEdit(c, fiber.StatusUnprocessableEntity, m, view)
	}
	if m.Protocol == "imap" {
		view.Folders = listed(view.Folders, o.Trial.Folders)
	}
	return s.showEdit(c, fiber.StatusOK, m, view)
}
