// Package schedule decides when a mailbox is looked at next, and says why it
// has to wait. It is arithmetic: no clock, no I/O, no memory of its own.
//
//	State before + how the pass ended  --Policy.Next-->  State after
//
// A State is what must survive a restart; it is written only when a person or
// the next start would miss something (Worth), so that an empty pass writes
// nothing.
//
// A pass that went through leaves the mailbox Idle. Unless its user chose an
// interval, that adapts: halved by mail, and longer by a twelfth of the time
// without any, from 2 to 60 minutes where the default is 5. It does not matter
// for this whether the states in between were written. A pass that failed
// leaves it Waiting or Failing, by a table of one row per kind of failure
// (reactions), and always with a reason in words. Nothing is due before the
// mail server allows it (floors: providers' known ones and LOGIN-DELAY), nor
// later than 25 hours from now, however the clock jumps.
package schedule

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Phase of a mailbox, in the words of the API. Syncing is never stored.
type Phase uint8

// The phases. The zero Phase is Idle.
const (
	Idle    Phase = iota // polled, or waiting for push
	Syncing              // a pass runs
	Waiting              // back-off, budget or provider; until Until
	Paused               // by the user, or by a mass change
	Failing              // needs the user; tried again rarely or not at all
)

// String gives the word of the API.
func (p Phase) String() string {
	return [...]string{"idle", "syncing", "waiting", "paused", "failing"}[p]
}

// Reason tells a person why a mailbox waits or fails. Code is a glossary word;
// none of it ever holds mail or a secret.
type Reason struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Help   string `json:"help,omitempty"`
}

// State is what is remembered of one mailbox between two passes.
type State struct {
	Phase  Phase
	Reason Reason
	Until  time.Time // Waiting, Failing: not before this; zero: when the user has done something. Idle: a backlog goes on then; zero: after Interval

	Class    mail.Class // of the failures in a row
	Failures int        // in a row, of that class
	First    time.Time  // of these failures

	Interval time.Duration // between two polls, as it has adapted; 0: not yet
	Floor    time.Duration // what the server asks for (LOGIN-DELAY); 0: nothing
	LastSync time.Time     // end of the last pass that went through
	Digest   mail.Key      // of the last listing that left nothing to do; zero: none

	Backlog Backlog

	Undone int       // passes in a row after which the source had not done what was asked of it (delete, move, flag)
	Asked  time.Time // when it was asked last; zero: Undone is 0

	Accepted bool // its user has let it go on after a mass change; until the next pass that goes through
}

// Backlog is what a mailbox still has to import.
type Backlog struct {
	Messages int       `json:"messages"`
	Bytes    int64     `json:"bytes"` // as announced
	ETA      time.Time `json:"eta,omitzero"`
}

// Registered is a mailbox as the wheel knows it: what it takes to be woken in
// time and admitted fairly, and nothing about a person.
type Registered struct {
	User    id.User
	Mailbox id.Mailbox
	Lane    uint64 // keyed hash of host and port: what shares a mail server
	Phase   Phase
	Until   time.Time     // Waiting, Failing
	Every   time.Duration // between two polls, as it has adapted; 0: the default
	Dirty   bool          // it had claims under way: recover it first
}

// Settings of a mailbox that matter here.
type Settings struct {
	Host      string        // lower case: providers have floors of their own
	Protocol  string        // "pop3", "imap"
	PollEvery time.Duration // what the user wants; 0: the default
	Push      bool          // the server tells us of new mail
}

// Outcome is how a pass ended.
type Outcome struct {
	Now      time.Time
	Err      error // nil, or a *mail.Fault; anything else counts as transient
	Imported int
	Digest   mail.Key // of a complete listing that left nothing to do, else zero
	Backlog  Backlog
	Floor    time.Duration // LOGIN-DELAY, if the server named one
	// Undone says why the source has not done what was asked of it, nil that it
	// has. Unasked: nothing was, because of Withheld.
	Undone  *mail.Fault
	Unasked bool
}
