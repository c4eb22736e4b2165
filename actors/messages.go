package actors

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// All messages are immutable. None holds mail, a secret or an address.

// To the clock.
type (
	// register adds a mailbox, or changes it, and looks at it at once.
	register struct{ row schedule.Registered }
	// forget takes out a mailbox, or all of a user.
	forget struct {
		scope  scope
		answer chan error
	}
	// syncNow makes a mailbox due now.
	syncNow struct {
		user   id.User
		box    id.Mailbox
		answer chan error
	}
	// pause stops a mailbox; resume lets it go on.
	pause struct {
		user   id.User
		box    id.Mailbox
		answer chan error
	}
	resume struct {
		user   id.User
		box    id.Mailbox
		answer chan error
	}
	// wake makes mailboxes of a user due now: the failing ones, or the others.
	wake struct {
		user    id.User
		failing bool
	}
	// suspect gives up all mailboxes of a user whose actor was given up.
	suspect struct{ user id.User }
	// askStatus asks for one mailbox.
	askStatus struct {
		user   id.User
		box    id.Mailbox
		answer chan answered
	}
	answered struct {
		status Status
		ok     bool
	}
	// tick: something may be due.
	tick struct{}
	// offer is a permit for a mailbox that was wanted.
	offer struct{ permit admit.Permit }
	// postponed: the queue is full.
	postponed struct{ box id.Mailbox }
	// leftAlone: nothing is asked of a lane's server until then, when one
	// mailbox tries it; zero: it has answered.
	leftAlone struct {
		lane  uint64
		until time.Time
	}
	// lost: the governor has forgotten what was wanted.
	lost struct{}
	// announced: the server of a parked mailbox has new mail.
	announced struct{ box id.Mailbox }
	// unparked: the wait for push is over, because the connection died.
	unparked struct {
		box    id.Mailbox
		lasted time.Duration
	}
	// ended: a pass is over.
	ended struct {
		box     id.Mailbox
		how     how
		state   schedule.State
		due     time.Duration // from now
		armed   bool          // due means something
		single  bool          // it used one connection, of those it might have had
		marked  bool          // claims may be under way
		parked  bool
		settled bool          // state is known
		brought bool          // mail
		floor   time.Duration // the least between two logins
	}
	// again: a mailbox is to be tried again after its panic; gaveUp: never mind.
	again  struct{ box id.Mailbox }
	gaveUp struct {
		user  id.User
		box   id.Mailbox
		state schedule.State
		due   time.Duration
	}
)

// how a pass ended, to the clock.
type how uint8

const (
	finished how = iota // its state says what is next
	cut                 // by us: again soon
	refused             // it never began: again soon
	panicked            // its mailbox will say what is next
	gone                // the mailbox has been deleted
)

// To the governor.
type (
	want  struct{ admit.Want }
	drop  struct{ box id.Mailbox }
	began struct{ permit admit.Permit }
	freed struct {
		permit admit.Permit
		ended  admit.Ended
	}
	// quiesce answers when no permit is out in a scope.
	quiesce struct {
		scope  scope
		answer chan struct{}
	}
	pump  struct{}
	sweep struct{}
)

// Down the tree, to the one they are for.
type (
	// work is a permit on its way to its mailbox, with what the wheel knows.
	work struct {
		permit admit.Permit
		every  time.Duration
		last   time.Time
		dirty  bool
		// account is the user's as it is now: a mailbox that waits for push
		// outlives a change of the grant.
		account *shared
	}
	// oneShot is a pass that somebody waits for.
	oneShot struct {
		user id.User
		pass shotPass
	}
	// changed: a user has a new grant.
	changed struct{ user id.User }
)

// Within a user.
type (
	// revoked: Google has ended the grant that account was opened with, and
	// opened; nil: the account knew it, and nothing is left to destroy.
	revoked struct {
		fault   *mail.Fault
		account *shared
		opened  Account
	}
	// noticed: a parked connection has something to tell.
	noticed struct {
		waiter *waiter
		waited bool // long enough
	}
	// lingered: a user has been without work for long enough.
	lingered struct{ turn uint64 }
)

// leave is a child's wish to stop: granted unless a message of the parent's is
// on its way to it.
type leave[K comparable] struct {
	key  K
	seen uint64
}

// forClock and forGovernor come from outside, by way of the node.
type (
	forClock    struct{ msg any }
	forGovernor struct{ msg any }
)

// stopTimers comes first in a drain.
type stopTimers struct{}

// shotPass is one asked-for sync of one mailbox.
type shotPass struct {
	box    id.Mailbox
	ctx    context.Context
	run    Run
	answer chan result // holds one: the first answer counts
}

// reply answers whoever asked for the pass, unless it has been answered.
func (p shotPass) reply(r result) {
	select {
	case p.answer <- r:
	default:
	}
}
