package account

import (
	"crypto/rand"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// What a receipt is for.
const (
	OfMailbox = "mailbox"
	OfGrant   = "grant"
	OfAccount = "account"
)

// Receipt says what a wipe destroyed. It is kept, and holds nothing about
// anybody: who has its id may read it, without signing in.
type Receipt struct {
	ID           string // unguessable
	Of           string // OfMailbox, OfGrant, OfAccount
	At           time.Time
	Rows         map[string]int64  // by table
	KeyDestroyed bool              // of a user; of a mailbox: its salt
	Outside      map[string]string // what others are told: GoogleRevoke, StripeCancel -> Pending, Done, Moot, Failed
}

// What others are told after a wipe, and how far that is.
const (
	GoogleRevoke = "google_revoke" // Google is told to end the grant
	StripeCancel = "stripe_cancel" // Stripe is told to cancel and forget the customer; what was paid it has to keep

	Pending = "pending"
	Done    = "done"
	Moot    = "moot"   // the same person has connected again: telling it would end that
	Failed  = "failed" // it could not be told for a long time: its owner can end it at Google
)

// NewReceiptID makes the id of a receipt: 128 random bits and more.
func NewReceiptID() string { return rand.Text() }

// Errand is something that others are still to be told after a wipe. It
// outlives the user, with the one secret that it takes, until it is done.
type Errand struct {
	Receipt string
	What    string       // GoogleRevoke, StripeCancel
	Since   time.Time    // of the wipe
	Secret  vault.Secret // the refresh token; the customer's id
}
