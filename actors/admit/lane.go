package admit

import (
	"math/rand/v2"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// lane is what shares a mail server.
type lane struct {
	key     uint64
	conns   int
	waiting int
	lines   [priorities]ring[*line] // with something to do
	by      map[lineKey]*line       // all that hold a mailbox
	ready   [priorities]link[*lane] // membership in the desk's rings
	stalled bool                    // waits for a release, or until wake
	wake    time.Time               // zero: a release wakes it
	tokens  float64                 // logins
	filled  time.Time               // when tokens was right
	pace    float64                 // 1: full
	paced   time.Time               // when pace was right
	slowed  map[id.User]time.Time   // who has slowed it within the hour
	fails   [breakAfter]failure     // the last ones since a success
	failed  int                     // of these
	open    bool
	until   time.Time // the next probe
	probing bool
}

type lineKey struct {
	user id.User
	prio Priority
}

type failure struct {
	user id.User
	at   time.Time
}

// line is the mailboxes of one user that wait for a lane.
type line struct {
	place link[*line] // in the lane's ring, or in the user's while that has no permit left
	key   lineKey
	lane  *lane
	boxes []id.Mailbox
}

func newLane(key uint64, now time.Time, limits Limits) *lane {
	l := &lane{key: key, by: make(map[lineKey]*line), pace: 1, paced: now, filled: now, tokens: limits.burst()}
	for p := range l.ready {
		l.ready[p].of = l
	}
	return l
}

// refill brings tokens and pace up to now.
func (l *lane) refill(now time.Time, limits Limits) {
	if d := now.Sub(l.paced); d > 0 && l.pace < 1 {
		l.pace = min(1, l.pace+creep*d.Hours())
	}
	l.paced = now
	if d := now.Sub(l.filled); d > 0 {
		l.tokens = min(limits.burst(), l.tokens+d.Seconds()*limits.Logins*l.pace)
	}
	l.filled = now
}

// admits reports whether the lane can take one more, else what it is short of
// and when to ask again (zero: after a release).
func (l *lane) admits(now time.Time, limits Limits) (short string, wake time.Time) {
	if l.open {
		if l.probing {
			return "lane", time.Time{}
		}
		if now.Before(l.until) {
			return "lane", l.until
		}
	}
	l.refill(now, limits)
	if l.conns >= l.room(limits) {
		return "lane", time.Time{}
	}
	if limits.Logins > 0 && l.tokens < 1 {
		need := (1 - l.tokens) / (limits.Logins * l.pace)
		return "logins", now.Add(time.Duration(need*float64(time.Second)) + time.Millisecond)
	}
	return "", time.Time{}
}

// room is how many connections the lane may have.
func (l *lane) room(limits Limits) int {
	return max(1, int(float64(limits.PerLane)*l.pace))
}

// take gives the connections of a pass: two while the lane is more than half
// free, where they are of use.
func (l *lane) take(now time.Time, limits Limits, two bool) (conns int, probe bool) {
	conns = 1
	if l.open {
		l.probing, probe = true, true
		l.until = now.Add(probeEvery*4/5 + rand.N(probeEvery*2/5))
	} else if two && l.conns+2 <= l.room(limits)/2 && (limits.Logins <= 0 || l.tokens > limits.burst()/2+1) {
		conns = 2
	}
	l.conns += conns
	if limits.Logins > 0 {
		l.tokens -= float64(conns)
	}
	return conns, probe
}

// reached: the server has answered.
func (l *lane) reached() {
	l.open, l.probing, l.failed = false, false, 0
}

// missed: it could not be reached, or fell silent.
func (l *lane) missed(now time.Time, user id.User, probe bool) {
	if probe {
		l.probing = false
	}
	copy(l.fails[1:], l.fails[:])
	l.fails[0] = failure{user, now}
	l.failed = min(l.failed+1, breakAfter)
	if l.open || l.failed < breakAfter || now.Sub(l.fails[breakAfter-1].at) > breakWithin {
		return
	}
	for _, f := range l.fails {
		if f.user != user {
			l.open = true
			l.until = now.Add(probeEvery*4/5 + rand.N(probeEvery*2/5))
			return
		}
	}
}

// slow halves the lane.
func (l *lane) slow(now time.Time, user id.User, limits Limits) {
	if at, ok := l.slowed[user]; ok && now.Sub(at) < slowAgain {
		return
	}
	if l.slowed == nil {
		l.slowed = make(map[id.User]time.Time)
	}
	l.slowed[user] = now
	l.refill(now, limits)
	l.pace = max(slowest, l.pace/2)
	l.tokens = min(l.tokens, 1)
}

// idle reports whether nothing would be lost by forgetting the lane.
func (l *lane) idle(now time.Time, limits Limits) bool {
	l.refill(now, limits)
	for u, at := range l.slowed {
		if now.Sub(at) >= slowAgain {
			delete(l.slowed, u)
		}
	}
	return l.waiting == 0 && len(l.by) == 0 && l.conns == 0 && (!l.open || now.Sub(l.until) > openKept) && l.pace == 1 && len(l.slowed) == 0 &&
		(limits.Logins <= 0 || l.tokens >= limits.burst()) &&
		(l.failed == 0 || now.Sub(l.fails[0].at) > breakWithin)
}
