// Package ledger remembers which messages of a mailbox have reached Gmail.
//
// An entry is claimed before the first octet is sent and settled when the
// outcome is known:
//
//	(none) --Claim--> claimed --Settle--> imported | refused | doubtful
//	   |                 |
//	   |                 +-- found by the next pass --> the old upload session is asked
//	   +--Record--> skipped | refused | failed (tried again)
//
// A crash can leave an entry claimed, never lost and never imported twice.
// Every write is fenced: it carries the epoch under which its owner took the
// user's store and changes nothing once somebody else has taken it since.
//
// A settled entry holds two keyed 16-octet values and nothing that was in the
// message. The pair is unique, never one of them alone: two equal mails in a
// maildrop are two messages.
package ledger

import (
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var (
	// ErrFenced: somebody else has taken this user's store since; stop at once.
	ErrFenced = errors.New("ledger: fenced")
	// ErrTaken: the compare-and-set failed: the entry is already claimed or
	// settled (Claim), or not in the state or session expected (Settle, Renew, Checkpoint).
	ErrTaken = errors.New("ledger: taken")
)

// State of an entry.
type State uint8

const (
	Claimed State = iota + 1
	Imported
	Skipped
	Refused
	Doubtful
	Failed
)

// Key is the identity of an entry within its mailbox.
type Key struct {
	ID      mail.Key // from UIDL, or folder + UIDVALIDITY + UID, or content and occurrence
	Content mail.Key // from Message-ID, Date, From, first Received, Subject; zero in a Failed entry whose header was never seen
}

// Entry is what a pass needs to know about a message seen before.
type Entry struct {
	Key
	State    State
	Absent   bool // was missing from the last complete listing
	Wanted   bool // its user wants it imported, whatever a rule says
	Day      Day  // when it came into this state; 0 in a Claimed entry
	Attempts int  // failed tries so far
}

// Checkpoint is a sealed position of a long upload: the keyed hash of the
// octets before Offset. Zero: none.
type Checkpoint struct {
	Offset int64
	Sum    mail.Key
}

// Claim is the intent to import one message through one upload session.
type Claim struct {
	Key
	Session    vault.Secret // the session's URI: a bearer capability, sealed at rest
	Verdict    mail.Verdict
	Domain     string // sender domain, for the audit line when recovery settles
	Size       int64  // octets as announced or known
	Checkpoint Checkpoint
	Attempts   int
	At         time.Time // when claimed
}

// Outcome is how an entry ends, and its audit line, written in one transaction.
type Outcome struct {
	Status mail.Status
	Reason string // code and, for refusals, Gmail's reason; no mail data
	Domain string // sender domain, A-label or "unknown"
	Size   int64  // octets counted, or announced where the message was not read
}

// Move re-maps a settled entry to the id it has now, after the source has
// renumbered its messages.
type Move struct {
	Old Key
	New mail.Key // the new id key; the content key stays
}
