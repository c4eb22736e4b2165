package actors

import (
	"context"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// pass is one asked-for sync of one mailbox; immutable.
type pass struct {
	box    id.Mailbox
	ctx    context.Context
	run    Run
	answer chan<- result // buffered: answering never blocks
}

// syncUser asks for a pass over a mailbox of a user.
type syncUser struct {
	user id.User
	pass pass
}

// syncEnded tells the user that a pass has its result.
type syncEnded struct {
	box    id.Mailbox
	result result
}

// drain asks an actor to end its work and stop.
type drain struct{}
