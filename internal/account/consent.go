package account

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Consent is what a provider gave for a mailbox in place of a password: tokens
// that open it and nothing else. The zero Consent is that of a mailbox with a
// password.
type Consent struct {
	Provider string       // the provider's id; "": a password opens the mailbox
	Refresh  vault.Secret // empty: its user has still to say yes
	Access   vault.Secret // empty: there is none at hand
	Ends     time.Time    // of Access
}
