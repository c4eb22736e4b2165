package notify

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// Trouble is what is wrong with a mailbox, as its user sees it.
type Trouble string

// The troubles.
const (
	None     Trouble = ""
	Login    Trouble = "login"    // this mailbox refuses its password
	Google   Trouble = "google"   // Gmail must not be filled any more
	Settings Trouble = "settings" // name, certificate, TLS
	Server   Trouble = "server"   // the mail server is down, or speaks another language
)

// Box is a mailbox as it stands.
type Box struct {
	ID                id.Mailbox
	Host              string // lower case
	State             schedule.State
	Refused, Doubtful int64 // messages, now
}

// proof of what is nobody's word: so many failures, over so long.
const (
	proofFailures = 3
	proofSpan     = 30 * time.Minute
)

// ours are the codes of a wait for a budget, which says that mailbox and server
// did well.
var ours = map[string]bool{"budget": true, "gmail_busy": true, "gmail_rate": true}

// works reports a mailbox with which nothing is wrong.
func (b Box) works() bool {
	s := b.State
	return s.Phase == schedule.Idle && s.Failures == 0 || s.Phase == schedule.Waiting && ours[s.Reason.Code]
}

// trouble gives what is wrong with a mailbox, whether or not it is proven yet,
// and in which group it is told.
func (b Box) trouble() (t Trouble, group string) {
	s := b.State
	if s.Failures == 0 || ours[s.Reason.Code] || s.Phase != schedule.Waiting && s.Phase != schedule.Failing {
		return None, ""
	}
	switch s.Class {
	case mail.Login:
		return Login, "login " + b.ID.String()
	case mail.Grant, mail.Revoked:
		return Google, "google"
	case mail.Setup:
		return Settings, "settings " + b.Host
	case mail.RateLimited:
		if s.Phase != schedule.Failing { // a wish to slow down
			return None, ""
		}
	}
	return Server, "server " + b.Host
}

// proven reports whether its user should know, of what was seen so far.
func (b Box) proven(t Trouble, seen Incident) bool {
	switch t {
	case None:
		return false
	case Login, Google:
		return b.State.Phase == schedule.Failing
	}
	return b.State.Failures >= proofFailures && seen.FailedAt.Sub(b.State.First) >= proofSpan
}

// see notes how often a mailbox has failed, and when it did last: the state does
// not say that.
func (i *Incident) see(b Box, now time.Time) {
	switch n := b.State.Failures; {
	case n == 0:
		i.Failures, i.FailedAt = 0, time.Time{}
	case n != i.Failures || i.FailedAt.Before(b.State.First):
		i.Failures, i.FailedAt = n, now
	}
}
