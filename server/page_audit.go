package server

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
	"github.com/smtp-sync/smtp-sync/server/text"
)

func (s *Service) auditPage() []*route {
	file := func(path, id, kind, name string, write lines) *route {
		r := pageAt(path, id, "The audit as a file", func(c *call) error {
			f, err := s.pageFilter(c)
			if err != nil {
				return err
			}
			return s.exportAudit(c, f, kind, name, write)
		})
		r.rate, r.answers = streams, []openapi.Answer{{Status: 200, Doc: "Everything that matches.", Types: []string{kind}}}
		return r
	}
	all := []*route{
		pageAt("/audit", "auditPage", "Audit", s.showAudit),
		file("/audit.csv", "auditCSV", typeCSV, "audit.csv", writeCSV),
		file("/audit.jsonl", "auditJSONL", typeJSONL, "audit.jsonl", writeJSONL),
	}
	for _, r := range all {
		r.params = []openapi.Param{query("mailbox", "Of this mailbox alone."), query("status", "", worst...), query("domain", "Of this sender domain alone."),
			query("from", "On this day or later."), query("to", "On this day or earlier.")}
	}
	all[0].params = append(all[0].params, query("cursor", "Older than a page before."))
	return all
}

type option struct {
	Value, Name string
	Chosen      bool
}

type lineView struct {
	api.Entry
	Mailbox string // its name; "" on the mailbox's own page
}

// Line gives a line of the audit for the part "entry".
func (f frame) Line(l lineView) any {
	back := "audit"
	if l.Mailbox == "" {
		back = "mailbox"
	}
	return struct {
		Moment     Moment
		Entry      lineView
		CSRF, Back string
		Choices    []audit.Decision
	}{f.Moment(l.At), l, f.CSRF, back, choices[mail.Status(l.Status)]}
}

type auditView struct {
	Statuses, Boxes  []option
	Domain, From, To string
	Entries          []lineView
	Older, Newest    string // addresses, or ""
	CSV, JSONL       string
	Filtered         bool
}

// Live reports whether new entries belong on this page.
func (v auditView) Live() bool { return v.Newest == "" }

// pageFilter is the filter of the form: days of the user's calendar, the last
// one included.
func (s *Service) pageFilter(c *call) (audit.Filter, error) {
	f, err := s.filter(c)
	if err != nil {
		return f, err
	}
	clock, err := c.zone()
	if err != nil {
		return f, err
	}
	f.Domain = strings.TrimPrefix(strings.TrimSpace(f.Domain), "@")
	if t, err := time.ParseInLocation(time.DateOnly, c.Query("from"), clock); err == nil {
		f.From = t
	}
	if t, err := time.ParseInLocation(time.DateOnly, c.Query("to"), clock); err == nil {
		f.To = t.AddDate(0, 0, 1)
	}
	return f, nil
}

func (s *Service) showAudit(c *call) error {
	f, err := s.pageFilter(c)
	if err != nil {
		return err
	}
	boxes, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	q := url.Values{}
	var filter []string
	for _, name := range []string{"mailbox", "status", "domain", "from", "to"} {
		filter = append(filter, c.Query(name))
		if v := c.Query(name); v != "" {
			q.Set(name, v)
		}
	}
	v := auditView{Domain: c.Query("domain"), From: c.Query("from"), To: c.Query("to"), Filtered: len(q) > 0,
		CSV: address("/audit.csv", q), JSONL: address("/audit.jsonl", q)}
	if c.Query("cursor") != "" {
		v.Newest = address("/audit", q)
	}
	v.Statuses, v.Boxes = append(v.Statuses, option{Name: text.T("audit.any")}), append(v.Boxes, option{Name: text.T("audit.any")})
	for _, status := range worst {
		v.Statuses = append(v.Statuses, option{status, text.Word("status", status), status == c.Query("status")})
	}
	for _, b := range boxes {
		v.Boxes = append(v.Boxes, option{b.ID.String(), b.Name, b.ID == f.Mailbox})
	}
	position, err := c.position(filter...)
	if err != nil {
		return err
	}
	p, err := s.o.Books.List(c.ctx, c.who.user, f, position, defaultPage)
	if err != nil {
		return err
	}
	names := named(boxes)
	for _, e := range p.Entries {
		v.Entries = append(v.Entries, lineView{entry(e), cmp.Or(names[e.Mailbox], text.T("audit.gone"))})
	}
	if p.Next != "" {
		q.Set("cursor", c.cursor(p.Next, filter...))
		v.Older = address("/audit", q)
	}
	return c.show("audit", text.T("audit.title"), v)
}

func address(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func named(boxes []account.Mailbox) map[id.Mailbox]string {
	out := map[id.Mailbox]string{}
	for _, b := range boxes {
		out[b.ID] = b.Name
	}
	return out
}
