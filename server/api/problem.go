package api

import (
	"net/http"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Problem is an error for others to read (RFC 9457). Code stays the same;
// Title and Detail are for people and may change.
type Problem struct {
	Type      string  `json:"type" doc:"urn:smtp-sync:problem: and the code."`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Code      string  `json:"code" doc:"What a program decides by. Where several fields are wrong, the first one's."`
	Detail    string  `json:"detail"`
	Help      string  `json:"help,omitempty" doc:"What to do about it."`
	Errors    []Fault `json:"errors" doc:"One for each field that is wrong; empty where it is none."`
	ID        string  `json:"id,omitempty" doc:"Of what is there already, where that is the trouble."`
	RequestID string  `json:"request_id" doc:"Name it to the operator: the log has it."`
}

// Fault is what is wrong with one field.
type Fault struct {
	Field  string `json:"field" doc:"Like folders[1].label; empty for the whole body."`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Help   string `json:"help,omitempty"`
}

// Error is a Problem on its way out of a handler.
type Error struct {
	Status int
	Code   string
	Detail string
	Help   string
	Faults []Fault
	ID     string // of what is there already
}

func (e *Error) Error() string { return e.Code + ": " + e.Detail }

// Fail makes an Error.
func Fail(status int, code, detail string) *Error {
	return &Error{Status: status, Code: code, Detail: detail}
}

// Invalid makes the Error for fields that are wrong; nil if none is.
func Invalid(faults ...Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return &Error{Status: http.StatusUnprocessableEntity, Code: faults[0].Code, Detail: faults[0].Detail, Help: faults[0].Help, Faults: faults}
}

// Named says which field an adapter's Fault of class Setup is about. Any other
// error is left.
func Named(field string, err error) error {
	e, ok := mail.AsFault(err)
	if !ok || e.Class != mail.Setup {
		return err
	}
	return Invalid(Fault{Field: field, Code: e.Code, Detail: e.Text, Help: e.Help})
}

// Errors that have one shape everywhere.
var (
	ErrNotFound    = Fail(http.StatusNotFound, "not_found", "there is nothing under this address, or it is not yours")
	ErrNoSession   = Fail(http.StatusUnauthorized, "sign_in_required", "sign in first, or send a token as Authorization: Bearer")
	ErrExpired     = Fail(http.StatusUnauthorized, "session_expired", "the session has ended: sign in again")
	ErrToken       = Fail(http.StatusUnauthorized, "token_invalid", "the token is unknown, expired or deleted")
	ErrSessionOnly = Fail(http.StatusForbidden, "session_required", "this takes a session in a browser, not a token")
	ErrOrigin      = Fail(http.StatusForbidden, "bad_origin", "the request comes from another site")
	ErrCSRF        = Fail(http.StatusForbidden, "csrf_required", "send the value of GET /api/v1/session as X-CSRF-Token")
	ErrOldPage     = &Error{Status: http.StatusForbidden, Code: "csrf_required", Detail: "this page was made for another sign-in than the one you have now",
		Help: "go back, load the page again and repeat what you did; nothing was changed"}
	ErrVersion = Fail(http.StatusPreconditionFailed, "changed_meanwhile", "it has been changed since you read it: read it again")
	ErrCursor  = Fail(http.StatusBadRequest, "bad_cursor", "the cursor is not one that a page gave for this list")
)

// Scope makes the Error for a token that may not.
func Scope(scope string) error {
	return Fail(http.StatusForbidden, "scope_missing", "the token does not have the scope "+scope)
}
