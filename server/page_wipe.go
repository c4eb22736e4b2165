package server

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// wipeView is a page that says what would be destroyed and wants that typed.
type wipeView struct {
	Of       string // account.OfMailbox, OfGrant, OfAccount
	Action   string // where the form goes
	Back     string // where to go instead
	Name     string // of the mailbox
	Word     string // what is to be typed
	Version  string // of the mailbox that the page was about
	Lines    int64  // of the audit
	Boxes    []api.Mailbox
	Wrong    wrongs
	Changed  bool // meanwhile, by somebody else
	Imported int64
}

// meant reports whether the word was typed, however it is spelled in capitals.
func (v *wipeView) meant(typed string) bool {
	if v.Word != "" && strings.EqualFold(strings.TrimSpace(typed), strings.TrimSpace(v.Word)) {
		return true
	}
	v.Wrong = wrongs{{ID: "confirm", Name: "confirm", Text: text.T("wipe.mistyped"), Help: text.T("wipe.mistyped.help")}}
	return false
}

// sum counts what the books have.
func (v *wipeView) sum(tallies ...audit.Tally) {
	for _, t := range tallies {
		a := tally(t)
		v.Imported += a.Imported.Messages
		v.Lines += a.Imported.Messages + a.Skipped + a.Refused + a.Doubtful + a.Failed
	}
}

func (s *Service) wipePage() []*route {
	receipt := pageAt("/receipts/{id}", "receiptPage", "The receipt of a wipe", s.receiptPage)
	receipt.access = anybody // nobody needs to sign in: the id cannot be guessed
	return []*route{
		pageAt("/mailboxes/{id}/delete", "wipeMailboxPage", "What wiping a mailbox means", s.wipeBoxPage),
		stepAt("/mailboxes/{id}/delete", "wipeMailboxForm", "Wipe a mailbox", s.wipeBox),
		pageAt("/settings/google/withdraw", "wipeGrantPage", "What withdrawing Google access means", s.wipeGrantPage),
		stepAt("/settings/google/withdraw", "wipeGrantForm", "Withdraw Google access", s.wipeGrantForm),
		pageAt("/settings/delete", "wipeAccountPage", "What deleting the account means", s.wipeMePage),
		stepAt("/settings/delete", "wipeAccountForm", "Wipe everything about me", s.wipeMeForm),
		receipt,
	}
}

func (s *Service) wipeBoxView(c *call) (account.Mailbox, wipeView, error) {
	m, err := s.own(c)
	if err != nil {
		return m, wipeView{}, err
	}
	all, err := s.o.Books.Tallies(c.ctx, c.who.user)
	v := wipeView{Of: account.OfMailbox, Action: "/mailboxes/" + m.ID.String() + "/delete", Back: "/mailboxes/" + m.ID.String(), Name: m.Name, Word: m.Name, Version: s.version(m)}
	v.sum(all[m.ID])
	return m, v, err
}

func (s *Service) wipeBoxPage(c *call) error {
	_, v, err := s.wipeBoxView(c)
	if err != nil {
		return err
	}
	return c.showAs(fiber.StatusOK, "wipe", text.T("wipe.mailbox.title"), v)
}

// wipeBox wipes the mailbox that was on the page, and not one that has become
// another since.
func (s *Service) wipeBox(c *call) error {
	to, release := c.press()
	defer release()
	if to != "" {
		return seeOther(c, to)
	}
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	m, v, err := s.wipeBoxView(c)
	if err != nil {
		return err
	}
	f, err := c.form()
	if err != nil {
		return err
	}
	if seen := f.Get("version"); seen != v.Version {
		v.Changed = true
		return c.showAs(fiber.StatusPreconditionFailed, "wipe", text.T("wipe.mailbox.title"), v)
	}
	if !v.meant(f.Get("confirm")) {
		return c.showAs(fiber.StatusUnprocessableEntity, "wipe", text.T("wipe.mailbox.title"), v)
	}
	r, err := s.WipeMailbox(c.ctx, c.who.user, m.ID)
	if err != nil {
		return err
	}
	return c.lead("/receipts/" + r.ID)
}

func (s *Service) wipeGrantView() wipeView {
	return wipeView{Of: account.OfGrant, Action: "/settings/google/withdraw", Back: "/settings", Word: "withdraw"}
}

func (s *Service) wipeGrantPage(c *call) error {
	return c.showAs(fiber.StatusOK, "wipe", text.T("wipe.grant.title"), s.wipeGrantView())
}

func (s *Service) wipeGrantForm(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	v := s.wipeGrantView()
	if !v.meant(f.Get("confirm")) {
		return c.showAs(fiber.StatusUnprocessableEntity, "wipe", text.T("wipe.grant.title"), v)
	}
	r, err := s.WipeGrant(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	return seeOther(c, s.to("/receipts/"+r.ID))
}

// wipeMeView: who is known to Google types his address, which is no word that
// comes by itself.
func (s *Service) wipeMeView(c *call) (wipeView, error) {
	v := wipeView{Of: account.OfAccount, Action: "/settings/delete", Back: "/settings", Word: "delete everything"}
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return v, err
	}
	if me.Email != "" {
		v.Word = me.Email
	}
	boxes, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return v, err
	}
	for _, b := range boxes {
		v.Boxes = append(v.Boxes, view(b))
	}
	all, err := s.o.Books.Tallies(c.ctx, c.who.user)
	for _, t := range all {
		v.sum(t)
	}
	return v, err
}

func (s *Service) wipeMePage(c *call) error {
	v, err := s.wipeMeView(c)
	if err != nil {
		return err
	}
	return c.showAs(fiber.StatusOK, "wipe", text.T("wipe.account.title"), v)
}

func (s *Service) wipeMeForm(c *call) error {
	to, release := c.press()
	defer release()
	if to != "" {
		return seeOther(c, to)
	}
	f, err := c.form()
	if err != nil {
		return err
	}
	v, err := s.wipeMeView(c)
	if err != nil {
		return err
	}
	if !v.meant(f.Get("confirm")) {
		return c.showAs(fiber.StatusUnprocessableEntity, "wipe", text.T("wipe.account.title"), v)
	}
	r, err := s.WipeUser(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	s.forgetCookie(c, s.cookie)
	c.Set("Clear-Site-Data", `"cache", "storage"`)
	return c.lead("/receipts/" + r.ID)
}

// receiptView is what a wipe destroyed, for whoever has its address.
type receiptView struct {
	api.Receipt
	Tables []counted
	Others []said // what others are told
}

type counted struct {
	Name string
	N    int64
}

type said struct{ What, How string }

func (s *Service) receiptPage(c *call) error {
	r, err := s.o.Accounts.Receipt(c.ctx, c.Params("id"))
	if err != nil {
		return err
	}
	v := receiptView{Receipt: s.receipt(r)}
	for _, name := range sortedKeys(r.Rows) {
		v.Tables = append(v.Tables, counted{name, r.Rows[name]})
	}
	for _, what := range sortedKeys(r.Outside) {
		v.Others = append(v.Others, said{what, r.Outside[what]})
	}
	return c.showAs(fiber.StatusOK, "receipt", text.T("receipt.title"), v)
}
