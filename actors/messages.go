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
	answer chan result // holds one: the first answer counts
}

// reply answers whoever asked for the pass, unless it has been answered.
func (p pass) reply(r result) {
	select {
	case p.answer <- r:
	default:
	}
}

// syncUser asks for a pass over a mailbox of a user.
type syncUser struct {
	user id.User
	pass pass
}

// drain asks an actor to end its work and stop.
type drain struct{}
