package account

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Signal is news from Google about an account: taken, and to be acted upon. What
// it asks for is package risc's to say.
type Signal struct {
	ID     string // made by the store
	Kind   string // of the event, and
	Reason string // why, in the words of package risc
	At     time.Time

	// Whom it is about: an account, or the one whose refresh token has this mark
	// (TokenMarks). A store keeps a keyed hash of it and does not give it again.
	Sub   string
	Token vault.Secret
}
