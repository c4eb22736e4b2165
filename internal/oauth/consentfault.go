package oauth

import (
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Codes of a consent that its person has to give, again or for the first time.
const (
	ConsentGone    = "consent_gone"    // the provider has ended it
	ConsentMissing = "consent_missing" // it was not given yet
)

// fromToken translates a failure of a provider's token endpoint. The error of
// x/oauth2 prints the whole answer, so it goes no further.
func (c *Client) fromToken(err error) *mail.Fault {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return c.unreachable(err)
	}
	status := 0
	if e.Response != nil {
		status = e.Response.StatusCode
	}
	why := fmt.Errorf("token endpoint answered %d %q", status, word(e.ErrorCode))
	switch e.ErrorCode {
	case "invalid_grant", "interaction_required", "consent_required", "login_required":
		return &mail.Fault{Class: mail.Login, Code: ConsentGone, Err: why,
			Text: c.Name + " does not let us into this mailbox any more: the permission was withdrawn, or ended with a new password or after long disuse",
			Help: "connect the mailbox with " + c.Name + " again; nothing is imported twice"}
	}
	if f := c.ours(e.ErrorCode, why); f != nil {
		return f
	}
	return c.unreachable(why)
}

// ours gives what the operator has to put right, nil if it is something else.
func (c *Client) ours(code string, why error) *mail.Fault {
	switch code {
	case "invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type", "unsupported_response_type", "redirect_uri_mismatch":
		return &mail.Fault{Class: mail.Setup, Code: "oauth_client", Err: why, Text: c.Name + " does not accept the OAuth client of this installation",
			Help: "its operator checks the entry " + c.ID + " in SMTPSYNC_OAUTH_SOURCES_FILE, and at the provider the secret's end, the scopes and the redirect address /auth/source/" + c.ID + "/callback"}
	}
	return nil
}

// refusedConsent translates the error parameter of a callback.
func (c *Client) refusedConsent(code string) *mail.Fault {
	why := fmt.Errorf("the page answered %q", word(code))
	switch code {
	case "access_denied":
		return &mail.Fault{Class: mail.Grant, Code: "consent_denied", Err: why, Text: c.Name + "'s page was answered with no",
			Help: "start again and allow it; in an organisation its administrator may have to allow it first"}
	case "consent_required", "interaction_required", "login_required", "account_selection_required":
		return &mail.Fault{Class: mail.Grant, Code: "consent_denied", Err: why, Text: c.Name + " does not let this account allow it",
			Help: "start again with the mailbox's own account; in an organisation its administrator has to allow it first"}
	}
	if f := c.ours(code, why); f != nil {
		return f
	}
	return startAgain(c.unreachable(why))
}

// unreachable is a request without a usable answer.
func (c *Client) unreachable(err error) *mail.Fault {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if s := err.Error(); len(s) > 200 {
		err = errors.New(s[:200] + "…")
	}
	return &mail.Fault{Class: mail.Transient, Code: "consent_unreachable", Text: "no usable answer from " + c.Name + "'s sign-in", Help: "it is tried again", Err: err}
}

// NoClient is for a mailbox whose provider is not configured (any more).
func NoClient(id string) *mail.Fault {
	return &mail.Fault{Class: mail.Setup, Code: "oauth_client", Text: fmt.Sprintf("this installation has no OAuth client for %q", id),
		Help: "its operator adds one to SMTPSYNC_OAUTH_SOURCES_FILE"}
}

func badAnswer(text string) *mail.Fault {
	return &mail.Fault{Class: mail.Grant, Code: "consent_callback", Text: text, Help: "start the sign-in again"}
}
