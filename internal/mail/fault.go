package mail

import (
	"errors"
	"fmt"
	"time"
)

// Class says what to do next about a failure. Adapters translate foreign
// errors into a *Fault once, at their edge; everybody else decides by Class.
type Class int

const (
	Transient   Class = iota // network, server busy: try again with back-off
	RateLimited              // try again after Until
	Unknown                  // a Gmail request whose outcome is not known: ask the session
	Refused                  // Gmail will never take this message: record and go on with the next
	Undelivered              // the source cannot give this one message: go on with the next
	Login                    // the mailbox refused the login: needs the user
	Grant                    // Google refused the grant: needs the user
	Revoked                  // the grant is gone: stop and destroy Google data
	Setup                    // configuration, address, certificate, TLS: needs the user or operator
	Protocol                 // the server breaks its protocol or our limits
)

// Fault is a failure a user may read. Code is a glossary word, Text names the
// thing, Help the remedy. None of them ever contains mail or a secret.
type Fault struct {
	Class Class
	Code  string // "auth_failed", "tls_certificate", "too_large", …
	Text  string // one sentence, lower case, no full stop
	Help  string // one sentence: what to do; may be ""
	// Said is what a mail server said of it, cleaned and short, for the eyes of
	// its user alone: it may be anything, so that Error, and by it every log,
	// leaves it out.
	Said  string
	Until time.Time // for RateLimited: not before this; zero: nobody says
	// Scope narrows RateLimited: "user", "concurrent", "project", "source",
	// "minute", "day", and "history" where only old mail has to wait.
	Scope string
	Err   error // the chain for the operator's log; may be nil
}

// Error gives the one line: thing and remedy.
func (f *Fault) Error() string {
	if f.Help == "" {
		return f.Text
	}
	return f.Text + ": " + f.Help
}

// Detail is the text for the user, with the server's words.
func (f *Fault) Detail() string {
	if f.Said == "" {
		return f.Text
	}
	return fmt.Sprintf("%s (%q)", f.Text, f.Said)
}

func (f *Fault) Unwrap() error { return f.Err }

// AsFault finds the Fault in err, if there is one.
func AsFault(err error) (*Fault, bool) {
	f, ok := errors.AsType[*Fault](err)
	return f, ok
}

// ClassOf gives the class of err; errors that are no Fault are Transient.
func ClassOf(err error) Class {
	if f, ok := AsFault(err); ok {
		return f.Class
	}
	return Transient
}
