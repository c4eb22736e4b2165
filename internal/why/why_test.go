package why_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/why"
)

// store answers what it is told to.
type store struct {
	lines  []audit.Entry
	asked  audit.Filter
	pages  int // there are so many, whatever is in lines
	tally  audit.Tally
	state  schedule.State
	access account.Access
	err    error
}

func (s *store) List(_ context.Context, _ id.User, f audit.Filter, _ string, _ int) (audit.Page, error) {
	s.asked = f
	p := audit.Page{Entries: s.lines}
	if s.pages--; s.pages > 0 {
		p.Next = "more"
	}
	return p, s.err
}

func (s *store) Standing(context.Context, id.User) (map[id.Mailbox]audit.Tally, error) {
	return map[id.Mailbox]audit.Tally{box.ID: s.tally}, s.err
}

func (s *store) Schedule(context.Context, id.User, id.Mailbox) (schedule.State, error) {
	return s.state, s.err
}

func (s *store) Access(context.Context, id.User) (account.Access, error) { return s.access, s.err }

var (
	today = time.Now().UTC()
	box   = account.Mailbox{ID: id.New[id.Mailbox](), History: "all"}
)

// asked gives the clues as "place code", one a line, and all their words.
func asked(t *testing.T, s *store, m account.Mailbox, f audit.Filter) (codes, words string) {
	t.Helper()
	if s.access.Status == "" {
		s.access.Status = account.Active
	}
	clues, err := why.Asker{Store: s, Retention: 90 * 24 * time.Hour}.Why(t.Context(), id.New[id.User](), m, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clues {
		if c.Place == "" || c.Code == "" || c.Detail == "" {
			t.Errorf("a clue that says nothing: %+v", c)
		}
		codes += c.Place + " " + c.Code + "\n"
		words += c.Detail + "\n"
	}
	return codes, words
}

func line(status mail.Status, reason string) audit.Entry {
	return audit.Entry{Mailbox: box.ID, Domain: "example.com", Status: status, Reason: reason}
}

func TestEachPlaceSaysWhatItKnows(t *testing.T) {
	t.Parallel()
	day := audit.Filter{Mailbox: box.ID}.OnDay(today)
	old := audit.Filter{Mailbox: box.ID}.OnDay(today.AddDate(-1, 0, 0))
	listed := schedule.State{LastSync: today.AddDate(0, 0, 2)}
	for _, c := range []struct {
		name  string
		store store
		box   account.Mailbox
		day   audit.Filter
		want  string
	}{
		{"all is well and nothing came", store{state: listed, tally: audit.Tally{mail.Imported: {Messages: 3}}}, box, day,
			"schedule scheduled\nlisting listed\nledger known\naudit nothing\n"},
		{"it was never read", store{}, box, day, "schedule scheduled\nlisting never_listed\nledger empty\naudit nothing\n"},
		{"it is paused, and was read before", store{state: schedule.State{Phase: schedule.Paused, LastSync: today.AddDate(0, 0, -3)}}, box, day,
			"schedule paused\nlisting listed_before\nledger empty\naudit nothing\n"},
		{"the password is wrong", store{state: schedule.State{Phase: schedule.Failing, Reason: schedule.Reason{Code: "auth_failed", Detail: "no"}}}, box, day,
			"schedule auth_failed\nlisting never_listed\nledger empty\naudit nothing\n"},
		{"there is work left", store{state: schedule.State{LastSync: listed.LastSync, Backlog: schedule.Backlog{Messages: 5}}}, box, day,
			"schedule scheduled\nlisting listed\nlisting backlog\nledger empty\naudit nothing\n"},
		{"a rule, and Gmail in two ways", store{state: listed, lines: []audit.Entry{
			line(mail.Skipped, "skip-domains"), line(mail.Rejected, "invalid From"), line(mail.Rejected, "invalid From"), line(mail.Failed, "timeout"), line(mail.Imported, "")}}, box, day,
			"schedule scheduled\nlisting listed\nledger empty\nrules skipped\ngmail refused\ngmail failed\naudit imported\n"},
		{"no grant", store{state: listed, access: account.Access{Status: account.Revoked}}, box, day,
			"schedule scheduled\nlisting listed\nledger empty\ngmail grant_revoked\naudit nothing\n"},
		{"from before the history", store{state: listed}, account.Mailbox{ID: box.ID, History: "new", Created: today}, old,
			"schedule scheduled\nlisting before_history\nlisting listed\nledger empty\naudit nothing\naudit forgotten\n"},
		{"since a date", store{state: listed}, account.Mailbox{ID: box.ID, History: "since", Since: today.AddDate(0, -1, 0)}, old,
			"schedule scheduled\nlisting before_history\nlisting listed\nledger empty\naudit nothing\naudit forgotten\n"},
		{"a long log", store{state: listed, pages: 100}, box, day,
			"schedule scheduled\nlisting listed\nledger empty\naudit nothing\naudit more\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, _ := asked(t, &c.store, c.box, c.day); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// The log says when a mail was handled, which for old mail is long after it was
// sent: who knows the sender sees all lines since.
func TestDomainLooksBeyondTheDay(t *testing.T) {
	t.Parallel()
	s := &store{lines: []audit.Entry{line(mail.Rejected, "too large"), line(mail.Rejected, "too large")}}
	f := audit.Filter{Mailbox: box.ID, Domain: "example.com"}.OnDay(today.AddDate(0, 0, -9))
	_, words := asked(t, s, box, f)
	if !s.asked.To.IsZero() || !s.asked.From.Equal(f.From) || s.asked.Domain != "example.com" {
		t.Errorf("the log was asked for %+v", s.asked)
	}
	if !strings.Contains(words, "2 messages refused: too large") {
		t.Errorf("the reason is not told: %s", words)
	}
	f.Domain = ""
	asked(t, s, box, f)
	if !s.asked.To.Equal(f.To) {
		t.Errorf("without a domain the log was asked for %+v", s.asked)
	}
}

func TestFailureIsToldAndNotHidden(t *testing.T) {
	t.Parallel()
	full := errors.New("disk")
	_, err := why.Asker{Store: &store{err: full}}.Why(t.Context(), id.New[id.User](), box, audit.Filter{})
	if !errors.Is(err, full) {
		t.Errorf("err = %v", err)
	}
}
