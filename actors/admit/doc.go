// Package admit decides which due mailbox may start its pass now. It is a data
// structure: no clock, no goroutine, no lock; it belongs to one goroutine and
// is told the time.
//
//	Want --> queue of (lane, priority, user) --Pump--> Permit --Release--> free
//
// A mailbox that waits is 16 octets in a queue, so many may be due at once. A
// Permit takes a session of the node, one of the user's, and connections and
// logins of the lane: what shares a mail server. It is given
//
//   - by priority: asked for by a person, announced by the server, polled,
//     polled after a failure; one permit in four looks at the polls first, so
//     that they cannot starve;
//   - within a priority by lanes in turn, within a lane by users in turn, within
//     a user first come, first served.
//
// What is polled after a failure has at most half of its user's permits: a dead
// server costs its minute each time, and two hundred dead mailboxes would leave
// the healthy one of the same user no turn.
//
// A lane that fails is left alone: after five failures to connect within 30 s,
// of at least two users, with no success between them, its breaker opens and
// lets one probe through every 30 s or so. A refused login is a success here:
// the server has answered. When a server asks to slow down, the lane's
// connections and logins are halved and creep back by a tenth of the full rate
// an hour; the same user halves them once an hour, so that nobody can throttle
// a server for others.
//
// What a queue cannot hold is postponed: Want says so, and the wheel asks again
// later. Lanes and users without work are forgotten by Sweep.
package admit

import "time"

// Priority of a want; lower goes first.
type Priority uint8

// The priorities.
const (
	Asked     Priority = iota // a person waits
	Announced                 // the server has new mail
	Polled
	Retried // polled, and its last pass has failed
	priorities
)

// Limits of a node. All must be set; Logins < 0 is no limit.
type Limits struct {
	Sessions, PerUser, PerLane int
	Logins                     float64 // a second and lane, with a burst of three seconds' worth
}

const (
	breakAfter  = 5
	breakWithin = 30 * time.Second
	probeEvery  = 30 * time.Second // ± 20 %
	openKept    = time.Hour        // after the probe that was due and that nobody wanted to be
	creep       = 0.1              // of the full pace, an hour
	slowest     = 1.0 / 16
	slowAgain   = time.Hour // by one user
	burstTime   = 3         // seconds
	lineCap     = 256       // polls of one user that wait for one lane
	laneCap     = 16_384    // polls that wait for one lane
	offerTime   = 30 * time.Second
)

// retries is how many passes after a failure one user may have at once.
func (l Limits) retries() int { return max(1, l.PerUser/2) }

// burst is how many logins a rested lane may have at once.
func (l Limits) burst() float64 { return max(1, l.Logins*burstTime) }
