package actors

import (
	"context"
	"iter"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// Registry is the durable side of the schedule. It may be used by many
// goroutines at once.
type Registry interface {
	// All yields every registered mailbox, the dirty ones first.
	All(ctx context.Context) iter.Seq2[schedule.Registered, error]
	// Schedule gives the stored state of a mailbox. account.ErrNone: there is no
	// such mailbox.
	Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error)
	// Save keeps the state of a mailbox (its own rows and the wheel's), in one
	// call because that is one commit. account.ErrNone: it has been deleted.
	Save(ctx context.Context, user id.User, box id.Mailbox, s schedule.State) error
	// Begin marks a mailbox dirty before its first claim of a pass; durable when
	// it returns nil. A Job's Marker calls it.
	Begin(ctx context.Context, user id.User, box id.Mailbox) error
	// Clean takes the marks away of mailboxes whose pass has left no claim. It
	// may be late: a mark too many costs one early pass.
	Clean(ctx context.Context, boxes []id.Mailbox) error
}

// Accounts opens users for work.
type Accounts interface {
	// Open loads a user's grant. A Fault of class Grant or Revoked means that
	// the user must connect Google again. It is called in a worker.
	Open(ctx context.Context, user id.User) (Account, error)
}

// Account is one user at work: the grant (one refresh at a time), the budget
// against Gmail's quotas and the gate that bounds uploads in flight, shared by
// all of the user's mailboxes. It may be used by many goroutines at once.
type Account interface {
	// Prepare loads what one pass over a mailbox needs, its credentials among
	// it; nothing of it is kept afterwards. account.ErrNone: the mailbox is gone.
	Prepare(ctx context.Context, box id.Mailbox) (Job, error)
	// Revoked tells that Google has ended the grant that this account was opened
	// with: what came from Google is destroyed, unless the user has connected
	// Google again since. It is called in a worker, after Close perhaps, and
	// again until it returns nil.
	Revoked(ctx context.Context) error
	Close()
}

// Job is one pass, ready to run.
type Job struct {
	Pass     bridge.Pass // Pass.Digest is State.Digest
	State    schedule.State
	Settings schedule.Settings
	// Marker is what the pass's ledger asks before each claim; nil where no mark
	// is kept.
	Marker *Marker
	// Resume gives a Dialer over the connection that Park kept, where there is
	// one. Nil where the mailbox cannot push.
	Resume func(Parked) bridge.Dialer
	// Park keeps the connection of the pass that has just gone through, to wait
	// on it. Nil where the mailbox cannot push; nil, nil when the server turned
	// out not to offer it.
	Park func(ctx context.Context) (Parked, error)
	// Close ends a connection that the pass has left and Park has not taken. Nil
	// where there never is one.
	Close func()
}

// Parked is a connection to a mail server on which nothing is asked (IMAP
// IDLE). It holds no credential. It is used by one goroutine at a time, but for
// Close.
type Parked interface {
	// Wait returns nil when the server says that the mailbox has changed, or
	// when it is time to look anyway; an error when the connection is dead or
	// closed, or ctx has ended.
	Wait(ctx context.Context) error
	// Close ends a Wait as well, soon.
	Close()
}
