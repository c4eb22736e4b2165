// Package id holds the typed identifiers of the product, so that a mailbox can
// never be passed where a user is meant.
//
// Ids are UUIDv7: unguessable enough to be shown, ordered by time of creation.
// Outside the process they are opaque strings.
package id

import "github.com/google/uuid"

// User identifies the person whose Gmail account is filled; the isolation boundary.
type User uuid.UUID

// Mailbox identifies one remote POP3 or IMAP account of a user.
type Mailbox uuid.UUID

// Audit identifies one line of the audit log.
type Audit uuid.UUID

// Rule identifies one rule of a user.
type Rule uuid.UUID

type kind interface{ ~[16]byte }

// New makes a fresh id.
func New[K kind]() K { return K(uuid.Must(uuid.NewV7())) }

// Parse reads the canonical text form and nothing else: what is accepted
// re-encodes to the same octets.
func Parse[K kind](s string) (K, error) {
	u, err := uuid.Parse(s)
	if err == nil && u.String() != s {
		err = errNotCanonical
	}
	return K(u), err
}

func (u User) String() string    { return uuid.UUID(u).String() }
func (m Mailbox) String() string { return uuid.UUID(m).String() }
func (a Audit) String() string   { return uuid.UUID(a).String() }
func (r Rule) String() string    { return uuid.UUID(r).String() }

type idError string

func (e idError) Error() string { return string(e) }

const errNotCanonical = idError("id: not in canonical form")
