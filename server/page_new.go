package server

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// The pages of the wizard.
const (
	pageAddress = "address"
	pageServer  = "server"
	pageMail    = "mail"
)

// newView is a page of the wizard.
type newView struct {
	*draft
	Page     string
	Wrong    wrongs
	Outcome  *outcome // of a test, if there was one
	Searched bool     // discovery was asked
	Grant    string   // status of Google access
	Labels   bool     // it allows labels
	Reckoned reckoned
	Twin     string   // id of the same mailbox that is there already
	Waiting  *Waiting // only in the demo
	// HasPassword: it was typed on a page before.
	HasPassword bool
	SignedIn    string // name of the provider whose sign-in has opened the mailbox
	ByHand      door   // of the server that was entered by hand
	SignIns     bool   // there are providers with a sign-in
}

// AtTest: a provider's sign-in has opened the mailbox, and its test comes next.
func (v newView) AtTest() bool { return v.Page == pageServer && v.SignedIn != "" }

// SomeTakeNone: of the ways some want no password.
func (v newView) SomeTakeNone() bool {
	return slices.ContainsFunc(v.Ways, func(w way) bool { return w.NoPassword })
}

func (s *Service) newPage() []*route {
	steps := stepAt("/mailboxes/new", "newMailboxForm", "A step towards a new mailbox", s.newSteps)
	steps.rate = probes
	steps.answers = []openapi.Answer{typed(markup(200, "A page, or the steps of a test as they end."), "text/html", typeJSONL), bare(303, "To the mailbox.", "Location")}
	return []*route{pageAt("/mailboxes/new", "newMailboxPage", "Add a mailbox", s.startNew), steps}
}

// startNew shows the first page.
func (s *Service) startNew(c *call) error {
	return s.showNew(c, fiber.StatusOK, newView{draft: &draft{}, Page: pageAddress})
}

// newSteps takes every step of the wizard. Which one it is the pressed button
// says; Enter presses the first.
func (s *Service) newSteps(c *call) error {
	v, err := c.form()
	if err != nil {
		return err
	}
	d := readDraft(v)
	if chosen := v.Get("connect"); chosen != "" {
		return s.connectNew(c, d, chosen)
	}
	switch v.Get("step") {
	case "find":
		return s.find(c, d)
	case "hand":
		return s.byHand(c, d)
	case "test":
		if strings.Contains(c.Get(fiber.HeaderAccept), typeJSONL) {
			return s.tryAloud(c, d)
		}
		return s.tryNew(c, d)
	case "tested":
		if o, ok := d.kept(c); ok {
			d.carry(c)
			return s.afterTest(c, d, o)
		}
		return s.tryNew(c, d) // it has been too long
	case "reckon":
		d.carry(c)
		return s.showMail(c, fiber.StatusOK, d, nil)
	case "create":
		return s.create(c, d)
	}
	return s.showNew(c, fiber.StatusOK, newView{draft: d, Page: pageAddress})
}

func (s *Service) showNew(c *call, status int, v newView) error {
	a, err := s.o.Accounts.Access(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	v.Grant, v.Labels, v.HasPassword = grantOf(a).Status, allows(a, oauth.ScopeLabels), v.Kept != "" && v.Provider == ""
	v.SignIns = len(s.o.Sources.All()) > 0
	if v.Provider != "" && v.Kept != "" {
		v.SignedIn = s.nameOf(v.Provider)
	}
	if v.Way == byHand {
		v.ByHand = s.doorOf(v.Host, v.Protocol)
	}
	if v.Page != pageMail {
		v.Waiting = s.o.Waiting
	}
	for i := range v.Ways {
		v.Ways[i].door = s.doorOf(v.Ways[i].Host, v.Ways[i].Protocol)
		v.Ways[i].NoPassword = v.Ways[i].NoPassword || v.Ways[i].Auth == "oauth"
		if v.Ways[i].Chosen = v.Ways[i].Value == v.Way; v.Ways[i].Chosen {
			v.Wrong.lead(i)
		}
	}
	return c.showAs(status, "new", text.T("new.title"), v)
}

// lead makes what is wrong with the fields of a server lead to the way that was
// chosen: the fields themselves are not shown then.
func (w wrongs) lead(way int) {
	for i := range w {
		switch w[i].Name {
		case "protocol", "host", "port", "security", "username":
			w[i].ID = "way-" + strconv.Itoa(way)
		}
	}
}

// find looks the servers of an address up.
func (s *Service) find(c *call, d *draft) error {
	v := newView{draft: d, Page: pageAddress}
	if d.Address == "" {
		v.Wrong = wrongs{{ID: "address", Name: "address", Text: text.T("new.address.missing"), Help: text.T("new.address.missing.help")}}
		return s.showNew(c, fiber.StatusUnprocessableEntity, v)
	}
	all, err := s.o.Finder.Find(c.ctx, d.Address)
	if err != nil {
		if v.Wrong, err = saidBy(err, "address"); err != nil {
			return err
		}
		return s.showNew(c, fiber.StatusUnprocessableEntity, v)
	}
	d.found(all)
	if len(all) == 0 {
		d.guess()
	}
	v.Page, v.Searched = pageServer, true
	return s.showNew(c, fiber.StatusOK, v)
}

// guess fills the fields in where nothing is known.
func (d *draft) guess() {
	if d.Username == "" {
		d.Username = d.Address
	}
	if d.Protocol == "" {
		d.Protocol, d.Security = "imap", "tls"
	}
}

func (s *Service) byHand(c *call, d *draft) error {
	d.Way = byHand
	d.guess()
	return s.showNew(c, fiber.StatusOK, newView{draft: d, Page: pageServer})
}

// carry seals what opens the mailbox for the next form.
func (d *draft) carry(c *call) {
	if d.Provider == "" {
		d.password(c)
	} else {
		d.consent(c)
	}
}

// checked gives the mailbox that is to be tested, or what is wrong with it.
func (s *Service) checked(c *call, d *draft) (account.Mailbox, wrongs, error) {
	m, err := api.MailboxTry{Definition: d.definition(d.password(c))}.Check(s.o.Hosts)
	w, err := faultsOf(err, nil)
	if err != nil || len(w) > 0 || d.Provider == "" {
		return m, w, err
	}
	var ok bool
	if m.Consent, ok = d.consent(c); !ok {
		d.Provider = "" // it has lain too long, or was changed
		w = wrongs{{ID: "connect", Name: "connect", Text: text.T("new.late"), Help: text.T("new.late.connect")}}
	}
	return m, w, nil
}

// connectNew sends the browser to the provider of the way whose button was
// pressed.
func (s *Service) connectNew(c *call, d *draft, chosen string) error {
	if w, ok := readWay(chosen); ok {
		d.take(w)
	}
	v := newView{draft: d, Page: pageServer}
	d.Provider, d.Kept = "", ""
	client := s.o.Sources.For(strings.ToLower(d.Host), d.Protocol)
	if client == nil {
		w, err := saidBy(s.noSignIn(d.Host), "host")
		if err != nil {
			return err
		}
		v.Wrong = w
		return s.showNew(c, fiber.StatusUnprocessableEntity, v)
	}
	d.Provider = client.ID
	m, err := api.MailboxTry{Definition: d.definition("")}.Check(s.o.Hosts)
	d.Provider = ""
	if v.Wrong, err = faultsOf(err, nil); err != nil {
		return err
	}
	if len(v.Wrong) > 0 {
		return s.showNew(c, fiber.StatusUnprocessableEntity, v)
	}
	return s.visitProvider(c, client, m.Protocol, m.Username, trip{Draft: tripDraft{Address: d.Address[:min(len(d.Address), 320)],
		Protocol: m.Protocol, Host: m.Host, Port: strconv.Itoa(m.Port), Security: m.Security, Username: m.Username}})
}

// tryNew tests and shows what comes next.
func (s *Service) tryNew(c *call, d *draft) error {
	m, w, err := s.checked(c, d)
	if err != nil {
		return err
	}
	if len(w) > 0 {
		return s.showNew(c, fiber.StatusUnprocessableEntity, newView{draft: d, Page: pageServer, Wrong: w})
	}
	o, err := s.test(c.ctx, c.who.user, m, nil)
	if err != nil {
		return err
	}
	d.keep(c, o)
	return s.afterTest(c, d, o)
}

// afterTest goes on after a test that went well, else back to the server with
// all that was typed. A password that the server refused has to be typed again.
func (s *Service) afterTest(c *call, d *draft, o outcome) error {
	if o.ok() {
		return s.showMail(c, fiber.StatusOK, d, nil)
	}
	v := newView{draft: d, Page: pageServer, Outcome: &o}
	field, said := failedField(o)
	switch {
	case field == "password" && d.Provider != "": // it may be a switch at the provider: the consent is good for another try
		field = "connect"
	case field == "password":
		d.Kept = ""
	}
	v.Wrong = wrongs{{ID: field, Name: field, Text: sentence(said.Detail), Help: cure(o)}}
	return s.showNew(c, fiber.StatusUnprocessableEntity, v)
}

// showMail shows the page about the mail.
func (s *Service) showMail(c *call, status int, d *draft, w wrongs) error {
	v := newView{draft: d, Page: pageMail, Wrong: w}
	o, ok := d.kept(c)
	if !ok { // the form has lain too long, or was changed: the test is due again
		return s.tryNew(c, d)
	}
	v.Outcome = &o
	if d.Protocol == "imap" {
		d.Folders = listed(d.Folders, o.Trial.Folders)
	}
	if d.Name == "" {
		d.Name = d.Address
	}
	if d.Name == "" {
		d.Name = d.Username
	}
	if d.History == "" {
		d.History = "all"
	}
	if d.AfterImport == "" {
		d.AfterImport = "leave"
	}
	v.Reckoned = s.reckon(o.Trial, d.Protocol, d.Folders)
	return s.showNew(c, status, v)
}

// create makes the mailbox and goes to its page. Where the permission for what
// is wanted is missing, Google is asked on the way: until then the mailbox waits,
// and nothing is imported without its label.
func (s *Service) create(c *call, d *draft) error {
	password := d.password(c)
	consent, connected := account.Consent{}, false
	if d.Provider != "" {
		if consent, connected = d.consent(c); !connected {
			d.Provider = ""
			w := wrongs{{ID: "connect", Name: "connect", Text: text.T("new.late"), Help: text.T("new.late.connect")}}
			return s.showNew(c, fiber.StatusUnprocessableEntity, newView{draft: d, Page: pageServer, Wrong: w})
		}
	}
	if password == "" && !connected {
		w := wrongs{{ID: "password", Name: "password", Text: text.T("new.late"), Help: text.T("new.late.help")}}
		return s.showNew(c, fiber.StatusUnprocessableEntity, newView{draft: d, Page: pageServer, Wrong: w})
	}
	n, rows := d.whole(password)
	m, err := n.Check(s.o.Hosts)
	w, err := faultsOf(err, onPage(rows))
	if err != nil {
		return err
	}
	if len(w) > 0 {
		return s.showMail(c, fiber.StatusUnprocessableEntity, d, w)
	}
	m.Consent = consent
	to, release := c.press()
	defer release()
	if to != "" {
		return seeOther(c, to)
	}
	m, err = s.add(c, m)
	switch {
	case errors.Is(err, errDuplicate):
		v := newView{draft: d, Page: pageServer, Twin: m.ID.String()}
		v.Wrong = wrongs{{ID: "host", Name: "host", Text: text.T("new.twin.wrong")}}
		return s.showNew(c, fiber.StatusConflict, v)
	case err != nil:
		status := problem(err).Status
		if w, err = saidBy(err, "password"); err != nil {
			return err
		}
		return s.showNew(c, status, newView{draft: d, Page: pageServer, Wrong: w})
	}
	return s.onward(c, m)
}

// onward goes to the page of a mailbox that was made or changed, by way of
// Google if the mailbox wants what is not allowed yet.
func (s *Service) onward(c *call, m account.Mailbox) error {
	a, err := s.o.Accounts.Access(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	page := "/mailboxes/" + m.ID.String()
	labels := labelled(m.Label, m.Folders)
	if labels && !allows(a, oauth.ScopeLabels) || !allows(a, oauth.ScopeInsert) {
		return c.lead(grantPath(page, labels))
	}
	return c.lead(page)
}
