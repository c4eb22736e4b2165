package notify

import (
	"maps"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// How often users are told.
const (
	gather     = 10 * time.Minute // what fails on one server within this is one mail
	lasted     = time.Hour        // what was shorter is over without a mail
	day        = 24 * time.Hour
	perDay     = 3 // mails a day, beside those about security
	flaps      = 4 // changes within a day; with more it goes into the digest
	morning    = 8 // o'clock, when digests go out
	inactivity = 90 * day
	warning    = 30 * day // from the warning to the wipe
)

// reminders are after how long a user is reminded of what he was told. With the
// last one it is said that it is the last.
var reminders = []time.Duration{day, 3 * day, 7 * day}

// Facts are what is true of a user now.
type Facts struct {
	Now      time.Time
	Zone     *time.Location
	Wants    Wants
	Boxes    []Box
	Active   bool // mail is synced: a grant, and a mailbox that is not paused
	Signed   bool // he has signed up, and is not the one of the command line
	Mailed   bool // this installation sends mail
	Sessions []Session
}

// Wants is what a user wants to hear of.
type Wants struct {
	Failing bool `json:"failing"`
	Digest  bool `json:"digest"`
	SignIn  bool `json:"sign_in"`
}

// Outcome is what is to be done.
type Outcome struct {
	Notices []Notice
	Wake    time.Time // when to look again, if nothing happens before; zero: no need
	Wipe    bool      // the account was inactive for too long, and its user knew
}

// Decide tells what a user is to be told now, and remembers it in m.
func Decide(m *Memory, f Facts) Outcome {
	d := &decision{m: m, f: f}
	if m.Incidents == nil {
		m.Incidents = map[id.Mailbox]Incident{}
	}
	d.look()
	for _, group := range d.groups() {
		d.group(group)
	}
	d.digest()
	d.signIns()
	d.inactive()
	for box, i := range m.Incidents {
		if i.empty() {
			delete(m.Incidents, box)
		}
	}
	return d.out
}

type decision struct {
	m   *Memory
	f   Facts
	out Outcome
}

// wake is when to look again at the latest.
func (d *decision) wake(at time.Time) {
	if d.out.Wake.IsZero() || at.Before(d.out.Wake) {
		d.out.Wake = at
	}
}

// tell makes a notice; false: it would be too many today.
func (d *decision) tell(n Notice) bool {
	m := d.m
	if d.f.Now.Sub(m.Day) >= day || d.f.Now.Before(m.Day) {
		m.Day, m.Mails = d.f.Now, 0
	}
	if !n.Kind.security() && n.Kind != Digest {
		if m.Mails >= perDay {
			return false
		}
		m.Mails++
	}
	n.ID, n.Made, n.Due = id.New[ID](), d.f.Now, d.f.Now
	d.out.Notices = append(d.out.Notices, n)
	return true
}

// look brings the incidents up to what is true now.
func (d *decision) look() {
	known := map[id.Mailbox]bool{}
	for _, b := range d.f.Boxes {
		known[b.ID] = true
		i := d.m.Incidents[b.ID]
		i.see(b, d.f.Now)
		i.Changes = slices.DeleteFunc(i.Changes, func(at time.Time) bool { return d.f.Now.Sub(at) >= day })
		t, group := b.trouble()
		switch proven := b.proven(t, i); {
		case i.Trouble != None && b.State.Phase == schedule.Paused: // its user knows
			i.close()
		case i.Trouble != None && b.works():
			if i.Ended.IsZero() {
				i.Ended = d.f.Now
				i.Changes = append(i.Changes, d.f.Now)
			}
		case proven && (t != i.Trouble || group != i.Group):
			i.close()
			i.Trouble, i.Group, i.Since, i.Opened = t, group, b.State.First, d.f.Now
			i.Changes = append(i.Changes, d.f.Now)
		case i.Trouble != None && t != None && !i.Ended.IsZero(): // it has begun again
			i.Ended = time.Time{}
			i.Changes = append(i.Changes, d.f.Now)
		}
		if i.Trouble != None && t != None {
			i.Code = b.State.Reason.Code
		}
		d.m.Incidents[b.ID] = i
	}
	maps.DeleteFunc(d.m.Incidents, func(box id.Mailbox, _ Incident) bool { return !known[box] })
}

// close ends an incident; what the digest needs of it stays.
func (i *Incident) close() {
	*i = Incident{Failures: i.Failures, FailedAt: i.FailedAt, Changes: i.Changes, Folded: i.Folded, Refused: i.Refused, Doubtful: i.Doubtful}
}

// groups gives the incidents that are told as one, each in the order of its
// mailboxes.
func (d *decision) groups() [][]id.Mailbox {
	by := map[string][]id.Mailbox{}
	for _, b := range d.f.Boxes {
		if i := d.m.Incidents[b.ID]; i.Trouble != None {
			by[i.Group] = append(by[i.Group], b.ID)
		}
	}
	var out [][]id.Mailbox
	for _, group := range slices.Sorted(maps.Keys(by)) {
		out = append(out, by[group])
	}
	return out
}

// group deals with incidents that are told as one.
func (d *decision) group(boxes []id.Mailbox) {
	var told, untold, ended []id.Mailbox
	var first, opened time.Time // mail; incident without one
	aloud := false
	for _, box := range boxes {
		switch i := d.m.Incidents[box]; {
		case !i.Ended.IsZero():
			ended = append(ended, box)
		case i.Told.IsZero():
			untold = append(untold, box)
			opened = earlier(opened, i.Opened)
		}
		if i := d.m.Incidents[box]; !i.Told.IsZero() {
			told, first = append(told, box), earlier(first, i.Told)
			aloud = aloud || !i.Silent
		}
	}
	switch {
	case len(ended) == len(boxes):
		d.over(boxes, told, aloud)
	case len(untold) > 0 && len(told) > 0: // they join
		d.each(untold, func(i *Incident) { i.Told, i.Silent = d.f.Now, !aloud })
		fallthrough
	case len(untold) == 0:
		if aloud {
			d.remind(boxes, first)
		}
	default:
		d.open(untold, opened)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (d *decision) each(boxes []id.Mailbox, f func(*Incident)) {
	for _, box := range boxes {
		i := d.m.Incidents[box]
		f(&i)
		d.m.Incidents[box] = i
	}
}

func about(boxes []id.Mailbox) (out []About) {
	for _, box := range boxes {
		out = append(out, About{Mailbox: box})
	}
	return out
}

// open tells of incidents of which nothing was told.
func (d *decision) open(boxes []id.Mailbox, opened time.Time) {
	i := d.m.Incidents[boxes[0]]
	if wait := opened.Add(gather); i.Trouble != Login && i.Trouble != Google && d.f.Now.Before(wait) {
		d.wake(wait)
		return
	}
	var steady, flapping []id.Mailbox
	since := time.Time{}
	for _, box := range boxes {
		if i := d.m.Incidents[box]; len(i.Changes) > flaps {
			flapping = append(flapping, box)
		} else {
			steady = append(steady, box)
			since = earlier(since, i.Since)
		}
	}
	fold := func(i *Incident) { i.Told, i.Silent, i.Folded = d.f.Now, true, true }
	d.each(flapping, fold)
	switch {
	case len(steady) == 0:
	case !d.f.Wants.Failing:
		d.each(steady, func(i *Incident) { i.Told, i.Silent = d.f.Now, true })
	case d.tell(Notice{Kind: Failing, Boxes: about(steady), Since: since}):
		d.each(steady, func(i *Incident) { i.Told = d.f.Now })
		d.wake(d.f.Now.Add(reminders[0]))
	default:
		d.each(steady, fold)
	}
}

// remind reminds of incidents that go on.
func (d *decision) remind(boxes []id.Mailbox, first time.Time) {
	sent := 0
	var going []id.Mailbox
	since := time.Time{}
	for _, box := range boxes {
		i := d.m.Incidents[box]
		sent = max(sent, i.Remind)
		if i.Ended.IsZero() {
			going, since = append(going, box), earlier(since, i.Since)
		}
	}
	if sent == len(reminders) {
		return
	}
	if at := first.Add(reminders[sent]); d.f.Now.Before(at) {
		d.wake(at)
		return
	}
	for sent < len(reminders) && !d.f.Now.Before(first.Add(reminders[sent])) { // one for all that were missed
		sent++
	}
	if d.f.Wants.Failing {
		d.tell(Notice{Kind: Reminder, Boxes: about(going), Since: since, N: sent})
	}
	d.each(boxes, func(i *Incident) { i.Remind = sent })
	if sent < len(reminders) {
		d.wake(first.Add(reminders[sent]))
	}
}

// over ends incidents of which the last has ended.
func (d *decision) over(boxes, told []id.Mailbox, aloud bool) {
	var since, until time.Time
	for _, box := range told {
		i := d.m.Incidents[box]
		since = earlier(since, i.Since)
		if i.Ended.After(until) {
			until = i.Ended
		}
	}
	if aloud && d.f.Wants.Failing && until.Sub(since) > lasted {
		d.tell(Notice{Kind: Recovered, Boxes: about(told), Since: since, Until: until})
	}
	d.each(boxes, (*Incident).close)
}
