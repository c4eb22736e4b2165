package audit

import (
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Window is a time in equal steps, for a chart.
type Window struct {
	From  time.Time
	Step  time.Duration
	Steps int
}

// steps are those that people read on a clock.
var steps = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

const maxSteps = 100

// WindowOf gives the window that ends now and is span long, in at most a
// hundred steps that begin at full minutes, hours or days (UTC). It is never
// longer than a hundred days.
func WindowOf(now time.Time, span time.Duration) Window {
	w := Window{Step: steps[len(steps)-1]}
	for _, s := range steps {
		if span <= s*maxSteps {
			w.Step = s
			break
		}
	}
	w.Steps = int(min(max(1, (span+w.Step-1)/w.Step), maxSteps))
	w.From = now.UTC().Truncate(w.Step).Add(w.Step * time.Duration(1-w.Steps))
	return w
}

// At gives the beginning of a step; that of the one after the last ends the window.
func (w Window) At(step int) time.Time { return w.From.Add(time.Duration(step) * w.Step) }

// Amount of messages.
type Amount struct {
	Messages int64
	Bytes    int64
}

// Tally counts messages by what became of them.
type Tally map[mail.Status]Amount

// Add counts more.
func (t Tally) Add(s mail.Status, a Amount) {
	is := t[s]
	t[s] = Amount{is.Messages + a.Messages, is.Bytes + a.Bytes}
}

// Stats is what happened in a window.
type Stats struct {
	Window
	Totals Tally
	Series []Tally // of each step
	// Boxes are the series of each mailbox. A mailbox without lines has none, and
	// a step in which nothing happened may have a nil Tally.
	Boxes map[id.Mailbox][]Tally
	// Strips show the worst that happened to a message of each mailbox in each
	// step, "" where there was none. A mailbox without lines has none.
	Strips map[id.Mailbox][]mail.Status
}

// NewStats gives the stats of a window in which nothing has happened.
func NewStats(w Window) Stats {
	s := Stats{Window: w, Totals: Tally{}, Series: make([]Tally, w.Steps), Boxes: map[id.Mailbox][]Tally{}, Strips: map[id.Mailbox][]mail.Status{}}
	for i := range s.Series {
		s.Series[i] = Tally{}
	}
	return s
}

// Count adds what happened to messages of a mailbox in a step.
func (s *Stats) Count(step int, box id.Mailbox, status mail.Status, a Amount) {
	s.Totals.Add(status, a)
	s.Series[step].Add(status, a)
	strip := s.Strips[box]
	if strip == nil {
		strip = make([]mail.Status, s.Steps)
		s.Strips[box], s.Boxes[box] = strip, make([]Tally, s.Steps)
	}
	if s.Boxes[box][step] == nil {
		s.Boxes[box][step] = Tally{}
	}
	s.Boxes[box][step].Add(status, a)
	if badness(status) > badness(strip[step]) {
		strip[step] = status
	}
}

// badness orders what a user looks at first: what needs a decision, then what
// stays where it is, then what is tried again.
func badness(s mail.Status) int {
	return slices.Index([]mail.Status{"", mail.Imported, mail.Skipped, mail.Failed, mail.Rejected, mail.Doubtful}, s)
}
