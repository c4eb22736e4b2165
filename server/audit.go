package server

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/server/api"
)

const (
	typeCSV   = "text/csv"
	typeJSONL = "application/jsonl"
)

func (s *Service) listAudit(c *call) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	c.Vary(fiber.HeaderAccept)
	switch c.Accepts(fiber.MIMEApplicationJSON, typeCSV, typeJSONL) {
	case typeCSV:
		return s.exportAudit(c, f, typeCSV, "audit.csv", writeCSV)
	case typeJSONL:
		return s.exportAudit(c, f, typeJSONL, "audit.jsonl", writeJSONL)
	case "":
		return api.Fail(fiber.StatusNotAcceptable, "not_acceptable", "this is to be had as application/json, text/csv or application/jsonl")
	}
	size, err := c.pageSize()
	if err != nil {
		return err
	}
	filter := []string{c.Query("mailbox"), c.Query("status"), c.Query("domain"), c.Query("from"), c.Query("to")}
	position, err := c.position(filter...)
	if err != nil {
		return err
	}
	p, err := s.o.Books.List(c.ctx, c.who.user, f, position, size)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Audit{Entries: entries(p), NextCursor: c.cursor(p.Next, filter...)})
}

// filter reads the filter of the audit. A mailbox that is not his is not found;
// of one that was removed there is nothing.
func (s *Service) filter(c *call) (f audit.Filter, err error) {
	if v := c.Query("mailbox"); v != "" {
		if f.Mailbox, err = id.Parse[id.Mailbox](v); err != nil {
			return f, api.ErrNotFound
		}
		if _, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, f.Mailbox); err != nil {
			return f, err
		}
	}
	switch f.Status = mail.Status(c.Query("status")); f.Status {
	case "", mail.Imported, mail.Skipped, mail.Rejected, mail.Doubtful, mail.Failed:
	default:
		return f, parameter("status", "status_unknown", "it is none of imported, skipped, refused, doubtful, failed")
	}
	f.Domain = strings.ToLower(c.Query("domain"))
	if f.From, err = c.moment("from"); err != nil {
		return f, err
	}
	f.To, err = c.moment("to")
	return f, err
}

func entry(e audit.Entry) api.Entry {
	return api.Entry{ID: e.ID.String(), At: e.At.UTC(), MailboxID: e.Mailbox.String(), SenderDomain: e.Domain, Status: string(e.Status), Reason: e.Reason, Size: e.Size}
}

// entries are the lines of a page.
func entries(p audit.Page) []api.Entry {
	out := make([]api.Entry, len(p.Entries))
	for i, e := range p.Entries {
		out[i] = entry(e)
	}
	return out
}

// lines writes entries in some format.
type lines func(w io.Writer, entries []api.Entry, first bool) error

// exportAudit streams everything that matches, page by page.
func (s *Service) exportAudit(c *call, f audit.Filter, kind, name string, write lines) error {
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+name+`"`)
	user := c.who.user
	return s.stream(c, kind, func(ctx context.Context, w *bufio.Writer) error {
		return s.eachPage(ctx, user, f, func(entries []api.Entry, first bool) error { return write(w, entries, first) })
	})
}

// eachPage goes through the audit, newest first; the first page may be empty.
func (s *Service) eachPage(ctx context.Context, user id.User, f audit.Filter, do func([]api.Entry, bool) error) error {
	cursor := ""
	for first := true; first || cursor != ""; first = false {
		p, err := s.o.Books.List(ctx, user, f, cursor, audit.MaxPage)
		if err != nil {
			return err
		}
		if err := do(entries(p), first); err != nil {
			return err
		}
		cursor = p.Next
	}
	return nil
}

func writeCSV(out io.Writer, entries []api.Entry, first bool) error {
	w := csv.NewWriter(out)
	if first {
		_ = w.Write([]string{"id", "at", "mailbox_id", "sender_domain", "status", "reason", "size"})
	}
	for _, e := range entries {
		_ = w.Write([]string{e.ID, e.At.Format(time.RFC3339Nano), e.MailboxID, cell(e.SenderDomain), e.Status, cell(e.Reason), strconv.FormatInt(e.Size, 10)})
	}
	w.Flush()
	return w.Error()
}

// cell keeps a spreadsheet from taking for a formula what a sender chose.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func writeJSONL(w io.Writer, entries []api.Entry, _ bool) error {
	enc := json.NewEncoder(w)
	for _, e := range entries {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

const (
	shortest = time.Hour
	longest  = 90 * 24 * time.Hour
)

func (s *Service) stats(c *call) error {
	span := api.Duration(24 * time.Hour)
	if v := c.Query("window"); v != "" {
		span = api.ParseDuration(v)
	}
	if !span.Valid() || time.Duration(span) < shortest || time.Duration(span) > longest {
		return parameter("window", "window_range", "it is not from 1h to 90d")
	}
	got, err := s.o.Books.Stats(c.ctx, c.who.user, audit.WindowOf(time.Now(), time.Duration(span)))
	if err != nil {
		return err
	}
	used, err := s.o.Usage(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	out := api.Stats{From: got.At(0).UTC(), To: got.At(got.Steps).UTC(), Step: api.Duration(got.Step), Totals: tally(got.Totals),
		Series: []api.Point{}, Strips: []api.Strip{}, Budget: api.Budget{BytesToday: used, BytesLimit: s.o.BytesPerDay}}
	for i, t := range got.Series {
		out.Series = append(out.Series, api.Point{At: got.At(i).UTC(), Tally: tally(t)})
	}
	for box, worst := range got.Strips {
		strip := api.Strip{MailboxID: box.String()}
		for _, w := range worst {
			strip.Worst = append(strip.Worst, string(w))
		}
		out.Strips = append(out.Strips, strip)
	}
	slices.SortFunc(out.Strips, func(a, b api.Strip) int { return strings.Compare(a.MailboxID, b.MailboxID) })
	return c.answer(fiber.StatusOK, out)
}

func tally(t audit.Tally) api.Tally {
	return api.Tally{Imported: api.Amount(t[mail.Imported]), Skipped: t[mail.Skipped].Messages, Refused: t[mail.Rejected].Messages,
		Doubtful: t[mail.Doubtful].Messages, Failed: t[mail.Failed].Messages}
}
