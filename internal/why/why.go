// Package why answers "why is this mail not in Gmail?". It asks each place that
// a mail goes through what it knows, in that order:
//
//	schedule   is the mailbox looked at?
//	listing    was it looked at since that day, and is mail of that day wanted?
//	ledger     how many of its messages are known, and as what
//	rules      what was skipped, and why
//	gmail      may mail be added, and what was refused, doubtful or failed, and why
//	audit      what the log has of it, and whether it still remembers that day
//
// Nothing is known of a mail but what the log has of it, so the answers are
// about all mail of a sender domain and of a time, not about one message. The
// log says when a mail was handled; that may be long after it was sent. With a
// domain, all lines since that day count, else those of the day alone.
//
// Nobody is connected to, and no answer holds anything of a message beyond its
// line in the log.
package why

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// Clue is what one place said.
type Clue struct {
	Place  string
	Code   string
	Detail string
}

// Store is what is asked.
type Store interface {
	List(ctx context.Context, user id.User, f audit.Filter, cursor string, limit int) (audit.Page, error)
	// Standing tells how the messages of each mailbox stand now.
	Standing(ctx context.Context, user id.User) (map[id.Mailbox]audit.Tally, error)
	Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error)
	Access(ctx context.Context, user id.User) (account.Access, error)
}

// Asker asks. It may be used by many goroutines at once.
type Asker struct {
	Store     Store
	Retention time.Duration // how long the log remembers
}

// maxPages bounds how much of the log is looked at, in pages of audit.MaxPage.
const maxPages = 5

// Why asks about mail of a mailbox, of the day from f.From to f.To, and of
// f.Domain where there is one.
func (a Asker) Why(ctx context.Context, user id.User, box account.Mailbox, f audit.Filter) ([]Clue, error) {
	state, err := a.Store.Schedule(ctx, user, box.ID)
	if err != nil {
		return nil, err
	}
	access, err := a.Store.Access(ctx, user)
	if err != nil {
		return nil, err
	}
	standing, err := a.Store.Standing(ctx, user)
	if err != nil {
		return nil, err
	}
	lines, all, err := a.lines(ctx, user, f)
	if err != nil {
		return nil, err
	}
	clues := append(ofSchedule(state), ofListing(box, state, f)...)
	clues = append(clues, ofLedger(standing[box.ID]))
	clues = append(clues, reasons(lines, "rules", mail.Skipped)...)
	clues = append(clues, ofAccess(access)...)
	clues = append(clues, reasons(lines, "gmail", mail.Rejected, mail.Doubtful, mail.Failed)...)
	return append(clues, a.ofAudit(lines, all, f)...), nil
}

// lines gives what the log has, newest first, and whether that is all of it.
func (a Asker) lines(ctx context.Context, user id.User, f audit.Filter) (out []audit.Entry, all bool, err error) {
	if f.Domain != "" {
		f.To = time.Time{}
	}
	cursor := ""
	for range maxPages {
		p, err := a.Store.List(ctx, user, f, cursor, audit.MaxPage)
		if err != nil {
			return nil, false, err
		}
		out = append(out, p.Entries...)
		if cursor = p.Next; cursor == "" {
			return out, true, nil
		}
	}
	return out, false, nil
}

func ofSchedule(s schedule.State) []Clue {
	switch s.Phase {
	case schedule.Paused:
		return []Clue{{"schedule", "paused", "the mailbox is paused: nothing is brought until it is resumed"}}
	case schedule.Waiting, schedule.Failing:
		detail := cmp.Or(s.Reason.Detail, "the mailbox is "+s.Phase.String())
		if s.Reason.Help != "" {
			detail += "; what helps: " + s.Reason.Help
		}
		return []Clue{{"schedule", cmp.Or(s.Reason.Code, s.Phase.String()), detail}}
	}
	return []Clue{{"schedule", "scheduled", "the mailbox is looked at regularly"}}
}

func ofListing(box account.Mailbox, s schedule.State, f audit.Filter) (clues []Clue) {
	if from := since(box); f.To.Before(from) {
		clues = append(clues, Clue{"listing", "before_history", "mail from before " + from.UTC().Format(time.DateOnly) + " is left where it is: that was chosen for this mailbox"})
	}
	at := s.LastSync.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case s.LastSync.IsZero():
		return append(clues, Clue{"listing", "never_listed", "the mailbox has not been read to its end yet"})
	case s.LastSync.Before(f.To):
		clues = append(clues, Clue{"listing", "listed_before", "the mailbox was last read to its end at " + at + ", before that day was over"})
	default:
		clues = append(clues, Clue{"listing", "listed", "the mailbox was last read to its end at " + at})
	}
	if n := s.Backlog.Messages; n > 0 {
		clues = append(clues, Clue{"listing", "backlog", fmt.Sprintf("%d messages in it are still to be brought", n)})
	}
	return clues
}

// since is the time from which on mail is wanted.
func since(box account.Mailbox) time.Time {
	switch box.History {
	case "new":
		return box.Created
	case "since":
		return box.Since
	}
	return time.Time{}
}

func ofLedger(t audit.Tally) Clue {
	n := int64(0)
	for _, a := range t {
		n += a.Messages
	}
	if n == 0 {
		return Clue{"ledger", "empty", "no message of this mailbox is known yet"}
	}
	return Clue{"ledger", "known", fmt.Sprintf("of this mailbox %d messages are in Gmail, %d skipped, %d refused, %d doubtful, %d waiting for another try",
		t[mail.Imported].Messages, t[mail.Skipped].Messages, t[mail.Rejected].Messages, t[mail.Doubtful].Messages, t[mail.Failed].Messages)}
}

func ofAccess(a account.Access) []Clue {
	if a.Status == account.Active {
		return nil
	}
	return []Clue{{"gmail", "grant_" + string(a.Status), "smtp-sync may not add mail to this Gmail account: connect it in the settings"}}
}

// reasons counts the lines of these statuses by their reason.
func reasons(lines []audit.Entry, place string, of ...mail.Status) (clues []Clue) {
	type kind struct {
		status mail.Status
		reason string
	}
	count := map[kind]int{}
	for _, e := range lines {
		if slices.Contains(of, e.Status) {
			count[kind{e.Status, e.Reason}]++
		}
	}
	kinds := slices.SortedFunc(maps.Keys(count), func(a, b kind) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.status, b.status), cmp.Compare(a.reason, b.reason))
	})
	for _, k := range kinds {
		clues = append(clues, Clue{place, string(k.status), fmt.Sprintf("%s %s: %s", messages(count[k]), k.status, cmp.Or(k.reason, "without a reason"))})
	}
	return clues
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

func (a Asker) ofAudit(lines []audit.Entry, all bool, f audit.Filter) (clues []Clue) {
	imported := 0
	for _, e := range lines {
		if e.Status == mail.Imported {
			imported++
		}
	}
	where := "of that day"
	if f.Domain != "" {
		where = "from this domain since that day"
	}
	switch {
	case imported > 0:
		clues = append(clues, Clue{"audit", "imported", messages(imported) + " " + where + " went to Gmail: look into Spam and All Mail there"})
	case len(lines) == 0:
		clues = append(clues, Clue{"audit", "nothing", "the log has nothing " + where})
	}
	if !all {
		clues = append(clues, Clue{"audit", "more", "there is more in the log than was looked at"})
	}
	if a.Retention > 0 && time.Since(f.To) > a.Retention {
		clues = append(clues, Clue{"audit", "forgotten", fmt.Sprintf("the log remembers %d days, and that day is longer ago", int(a.Retention.Hours()/24))})
	}
	return clues
}
