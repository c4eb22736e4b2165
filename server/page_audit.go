package server

import (
	"net/url"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

func (s *Service) auditPage() []*route {
	return []*route{pageAt("/audit", "auditPage", "Audit", s.showAudit)}
}

type option struct {
	Value, Name string
	Chosen      bool
}

type lineView struct {
	api.Entry
	Mailbox string
}

type auditView struct {
	Statuses, Boxes  []option
	Domain, From, To string
	Entries          []lineView
	Next             string
	Filtered         bool
}

func (s *Service) showAudit(c *call) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	boxes, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	v := auditView{Domain: c.Query("domain"), From: c.Query("from"), To: c.Query("to")}
	v.Filtered = v.Domain+v.From+v.To+c.Query("status")+c.Query("mailbox") != ""
	v.Statuses = append(v.Statuses, option{Name: text.T("audit.any")})
	for _, status := range []string{"imported", "skipped", "refused", "doubtful", "failed"} {
		v.Statuses = append(v.Statuses, option{status, text.Word("status", status), status == c.Query("status")})
	}
	names := named(boxes)
	v.Boxes = append(v.Boxes, option{Name: text.T("audit.any")})
	for _, b := range boxes {
		v.Boxes = append(v.Boxes, option{b.ID.String(), b.Name, b.ID == f.Mailbox})
	}
	filter := []string{c.Query("mailbox"), c.Query("status"), c.Query("domain"), c.Query("from"), c.Query("to")}
	position, err := c.position(filter...)
	if err != nil {
		return err
	}
	p, err := s.o.Books.List(c.ctx, c.who.user, f, position, defaultPage)
	if err != nil {
		return err
	}
	for _, e := range p.Entries {
		v.Entries = append(v.Entries, lineView{entry(e), names[e.Mailbox]})
	}
	if p.Next != "" {
		v.Next = "/audit?" + url.Values{"mailbox": {filter[0]}, "status": {filter[1]}, "domain": {filter[2]}, "from": {filter[3]}, "to": {filter[4]},
			"cursor": {c.cursor(p.Next, filter...)}}.Encode()
	}
	return c.show("audit", text.T("audit.title"), v)
}

func named(boxes []account.Mailbox) map[id.Mailbox]string {
	out := map[id.Mailbox]string{}
	for _, b := range boxes {
		out[b.ID] = b.Name
	}
	return out
}
