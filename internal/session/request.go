package session

import (
	"errors"
	"time"
)

var (
	// ErrMismatch: the idempotency key belongs to another request.
	ErrMismatch = errors.New("session: the key belongs to another request")
	// ErrInFlight: the request with this key is still being answered.
	ErrInFlight = errors.New("session: the request is still being answered")
)

// How long requests are remembered.
const (
	KeepRequests = 24 * time.Hour
	// InFlight is how long a request may take to be answered. What has taken
	// longer was cut off, by a crash: its key may be used again.
	InFlight = 5 * time.Minute
)

// Answer is what is kept of the answer to a request: never its body.
type Answer struct {
	Status   int
	Resource string // id of what was made; may be ""
}

// Kind is a kind of thing that is to be used once.
type Kind string

// The kinds.
const (
	OAuthState  Kind = "oauth_state"  // of a consent page: its callback works once
	RISCEvent   Kind = "risc_jti"     // of a security event token (RFC 8417 2.2)
	StripeEvent Kind = "stripe_event" // of a delivery to the webhook
)
