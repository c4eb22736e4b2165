package notify

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Kind is what a notice is about. The words are in databases and texts.
type Kind string

// The kinds of notices.
const (
	Failing   Kind = "failing"   // mailboxes need their user
	Reminder  Kind = "reminder"  // and still do
	Recovered Kind = "recovered" // they work again
	Digest    Kind = "digest"    // what was refused, is doubtful, or goes on and off
	SignIn    Kind = "sign_in"   // from where nobody signed in before
	Inactive  Kind = "inactive"  // the account will be deleted
	Revoked   Kind = "revoked"   // Google access has ended
	Deleted   Kind = "deleted"   // the account is
)

// security reports a kind that is told whatever was told before.
func (k Kind) security() bool { return k == SignIn || k == Inactive || k == Revoked || k == Deleted }

// ofMailboxes reports a kind that says nothing without a mailbox.
func (k Kind) ofMailboxes() bool {
	return k == Failing || k == Reminder || k == Recovered || k == Digest
}

// Notice is something that a user is to be told. It holds no address, no name
// and no text.
type Notice struct {
	ID    ID        `json:"-"`
	Kind  Kind      `json:"kind"`
	Boxes []About   `json:"-"`               // those that are gone by then are left out
	About string    `json:"about,omitempty"` // a session
	Since time.Time `json:"since,omitzero"`  // of what it tells
	Until time.Time `json:"until,omitzero"`
	N     int       `json:"n,omitzero"` // which reminder: 1, 2, 3

	Made  time.Time `json:"made"`
	Tries int       `json:"tries,omitzero"`
	Due   time.Time `json:"due"`            // not to be sent before
	Done  []string  `json:"done,omitempty"` // names of the Notifiers that have taken it
}

// About is what a notice says of a mailbox.
type About struct {
	Mailbox  id.Mailbox `json:"-"`
	Refused  int64      `json:"refused,omitzero"`
	Doubtful int64      `json:"doubtful,omitzero"`
	Flapping bool       `json:"flapping,omitzero"`
}

// ID names a notice; it means nothing outside.
type ID [16]byte

func (i ID) String() string { return id.User(i).String() }
