package audit

import "github.com/smtp-sync/smtp-sync/internal/mail"

// Decision is what a user wants done about a message that is not in Gmail.
type Decision string

// The decisions.
const (
	// Retry has a failed, refused or doubtful message tried again. A doubtful one
	// may be in Gmail already: then it is there twice.
	Retry Decision = "retry"
	// Import has a skipped or refused message imported after all, whatever a rule
	// says of it.
	Import Decision = "import"
	// Done takes the user's word that a doubtful message is in Gmail.
	Done Decision = "done"
)

// ErrDecision: nothing of the kind can be decided about this message.
var ErrDecision error = &mail.Fault{Class: mail.Setup, Code: "not_to_decide",
	Text: "this cannot be done with what has become of the message", Help: "look at its newest line in the log"}
