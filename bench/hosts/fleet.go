package hosts

import (
	"fmt"
	"slices"
	"time"
)

// Password of every mailbox.
const Password = "bench"

// Fleet is some mailboxes of one kind.
type Fleet struct {
	Name      string `json:"name"`
	Protocol  string `json:"protocol"` // "pop3" or "imap"
	Mailboxes int    `json:"mailboxes"`
	PerUser   int    `json:"per_user,omitempty"` // mailboxes of one user; 0: 1
	PerHost   int    `json:"per_host,omitempty"` // mailboxes at one address; 0: 25
	Backlog   int    `json:"backlog,omitempty"`  // messages in each at the start
	Size      int64  `json:"size,omitempty"`     // octets of a message; 0: ordinary mail of 1 to 8 KB
	// Rate is what arrives in all mailboxes of the fleet together, in messages
	// a second.
	Rate float64 `json:"rate,omitempty"`
	// Behaves says how its servers behave; "": well. See Behaviours.
	Behaves string `json:"behaves,omitempty"`
}

// Check finds what cannot be.
func (f Fleet) Check() error {
	switch {
	case f.Name == "":
		return fmt.Errorf("a fleet has no name")
	case f.Protocol != "pop3" && f.Protocol != "imap":
		return fmt.Errorf("fleet %s: protocol %q: write pop3 or imap", f.Name, f.Protocol)
	case f.Mailboxes < 1:
		return fmt.Errorf("fleet %s has no mailboxes", f.Name)
	case f.PerUser < 0 || f.PerHost < 0 || f.Backlog < 0 || f.Rate < 0:
		return fmt.Errorf("fleet %s: a number below 0", f.Name)
	case f.Size != 0 && f.Size < 1024:
		return fmt.Errorf("fleet %s: size %d: write at least 1024, or 0", f.Name, f.Size)
	case f.Size > large && f.Protocol == "pop3":
		return fmt.Errorf("fleet %s: mail of %d octets is served over imap only", f.Name, f.Size)
	case f.Behaves != "" && !slices.Contains(Behaviours(), f.Behaves):
		return fmt.Errorf("fleet %s behaves %q: it is one of %v", f.Name, f.Behaves, Behaviours())
	}
	return nil
}

// Scaled is the fleet with its numbers multiplied by s, with at least one mailbox.
func (f Fleet) Scaled(s float64) Fleet {
	f.Mailboxes = max(1, int(float64(f.Mailboxes)*s))
	f.Rate *= s
	if f.Backlog > 1000 { // one large mailbox is a load as well
		f.Backlog = max(1000, int(float64(f.Backlog)*s))
	}
	return f
}

func (f Fleet) perHost() int {
	if f.PerHost == 0 {
		return 25
	}
	return f.PerHost
}

// User gives the number of the user, within the fleet, whose the i-th mailbox is.
func (f Fleet) User(i int) int { return i / max(1, f.PerUser) }

// Users is how many there are.
func (f Fleet) Users() int { return f.User(f.Mailboxes-1) + 1 }

// Username of the i-th mailbox.
func (f Fleet) Username(i int) string { return fmt.Sprintf("%s-%07d", f.Name, i) }

// Placed is where a fleet is served: the i-th mailbox at Ports[i/PerHost].
type Placed struct {
	Fleet
	Ports []int `json:"ports"`
}

// Port of the i-th mailbox.
func (p Placed) Port(i int) int { return p.Ports[i/p.perHost()] }

// Delivery is one message that was put into a mailbox.
type Delivery struct {
	Fleet    string    `json:"f"`
	Box      int       `json:"b"`
	SHA256   string    `json:"h"` // hex, of its octets
	Size     int64     `json:"s"`
	Intended time.Time `json:"t,omitzero"` // when it was to arrive; zero: it lay there at the start
}

// Seen is what the servers of a fleet have seen since the last Forget.
type Seen struct {
	Connections int   `json:"connections"` // open now
	Accepted    int64 `json:"accepted"`
	Polls       int64 `json:"polls"` // POP3 logins that listed the maildrop
	// Gaps between two polls of one mailbox, in seconds, at these quantiles:
	// 0, 0.01, 0.5, 0.99, 1.
	Gaps []float64 `json:"gaps,omitempty"`
	// Boxes is how many mailboxes were polled at all.
	Boxes int `json:"boxes"`
}

// State of the generator.
type State struct {
	Running   bool    `json:"running"`
	Delivered int     `json:"delivered"` // messages, the backlog included
	LateP99   float64 `json:"late_p99_ms"`
	LateMax   float64 `json:"late_max_ms"`
}
