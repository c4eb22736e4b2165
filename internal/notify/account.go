package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Session is a sign-in.
type Session struct {
	ID      string
	Client  string // browser and system
	Created time.Time
}

// digest collects what is to be read in the morning.
func (d *decision) digest() {
	var boxes []About
	for _, b := range d.f.Boxes {
		i := d.m.Incidents[b.ID]
		i.Refused, i.Doubtful = min(i.Refused, b.Refused), min(i.Doubtful, b.Doubtful) // decided about
		d.m.Incidents[b.ID] = i
		a := About{Mailbox: b.ID, Refused: b.Refused - i.Refused, Doubtful: b.Doubtful - i.Doubtful, Flapping: i.Folded}
		if a.Refused > 0 || a.Doubtful > 0 || a.Flapping {
			boxes = append(boxes, a)
		}
	}
	m := d.m
	switch {
	case len(boxes) == 0:
		m.Morning = time.Time{}
		return
	case m.Morning.IsZero() || m.Morning.Sub(d.f.Now) > day: // the clock has gone back, or he has moved
		m.Morning = nextMorning(d.f.Now, d.f.Zone)
	}
	if d.f.Now.Before(m.Morning) {
		d.wake(m.Morning)
		return
	}
	m.Morning = time.Time{}
	if d.f.Wants.Digest {
		d.tell(Notice{Kind: Digest, Boxes: boxes, Until: d.f.Now})
	}
	for _, b := range d.f.Boxes {
		d.each([]id.Mailbox{b.ID}, func(i *Incident) { i.Refused, i.Doubtful, i.Folded = b.Refused, b.Doubtful, false })
	}
}

func nextMorning(now time.Time, zone *time.Location) time.Time {
	local := now.In(zone)
	at := time.Date(local.Year(), local.Month(), local.Day(), morning, 0, 0, 0, zone)
	if !at.After(now) {
		at = time.Date(local.Year(), local.Month(), local.Day()+1, morning, 0, 0, 0, zone)
	}
	return at.UTC()
}

const (
	clientsKept = 50
	clientLife  = 90 * day
)

// signIns tells of browsers that have not signed in before. The first one of all
// is he himself.
func (d *decision) signIns() {
	m := d.m
	fresh := m.SignedIn.IsZero()
	if m.Clients == nil {
		m.Clients = map[string]time.Time{}
	}
	for c, at := range m.Clients {
		if d.f.Now.Sub(at) > clientLife && at.Before(m.SignedIn) { // the last one is looked at again
			delete(m.Clients, c)
		}
	}
	all := slices.SortedFunc(slices.Values(d.f.Sessions), func(a, b Session) int { return a.Created.Compare(b.Created) })
	for _, s := range all {
		if s.Created.Before(m.SignedIn) {
			continue
		}
		key := clientKey(s.Client)
		_, known := m.Clients[key]
		if !known && !fresh && d.f.Wants.SignIn {
			d.tell(Notice{Kind: SignIn, About: s.ID, Since: s.Created})
		}
		m.Clients[key], m.SignedIn = s.Created, s.Created
	}
	for len(m.Clients) > clientsKept {
		oldest := ""
		for c, at := range m.Clients {
			if oldest == "" || at.Before(m.Clients[oldest]) {
				oldest = c
			}
		}
		delete(m.Clients, oldest)
	}
}

func clientKey(client string) string {
	h := sha256.Sum256([]byte(client))
	return hex.EncodeToString(h[:8])
}

// inactive warns, and then wipes, who syncs nothing for long: passwords are kept
// only while they are used. Nobody is wiped who was not told.
func (d *decision) inactive() {
	m := d.m
	switch {
	case d.f.Active || !d.f.Signed:
		m.Inactive, m.Warned = time.Time{}, time.Time{}
		return
	case m.Inactive.IsZero() || m.Inactive.After(d.f.Now):
		m.Inactive = d.f.Now
	}
	if !d.f.Mailed {
		return
	}
	warn := m.Inactive.Add(inactivity)
	if d.f.Now.Before(warn) {
		d.wake(warn)
		return
	}
	if m.Warned.IsZero() {
		if !slices.ContainsFunc(m.Outbox, func(n Notice) bool { return n.Kind == Inactive }) {
			d.tell(Notice{Kind: Inactive, Since: m.Inactive})
		}
		d.wake(d.f.Now.Add(warning)) // it counts from when it is delivered
		return
	}
	if end := m.Warned.Add(warning); d.f.Now.Before(end) {
		d.wake(end)
		return
	}
	d.out.Wipe = true
}
