package oauth

import (
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const helpReconnect = "reconnect the Google account"

// unreachable is a request without a usable answer.
func unreachable(err error) *mail.Fault {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // its URL says nothing that the configuration does not
	}
	if s := err.Error(); len(s) > 200 { // go-oidc quotes whole pages
		err = errors.New(s[:200] + "…")
	}
	return &mail.Fault{Class: mail.Transient, Code: "google_unreachable", Text: "no usable answer from Google's sign-in", Help: "it is tried again", Err: err}
}

// fromToken translates a failure of the token endpoint. The error of x/oauth2
// prints the whole answer, so it goes no further.
func fromToken(err error) *mail.Fault {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return unreachable(err)
	}
	status := 0
	if e.Response != nil {
		status = e.Response.StatusCode
	}
	why := fmt.Errorf("token endpoint answered %d %q", status, word(e.ErrorCode))
	switch e.ErrorCode {
	case "invalid_grant":
		return &mail.Fault{Class: mail.Revoked, Code: "grant_revoked", Text: "Google has withdrawn the grant (a new password does that too)", Help: helpReconnect, Err: why}
	case "invalid_client", "deleted_client", "disabled_client", "unauthorized_client", "invalid_request", "redirect_uri_mismatch", "unsupported_grant_type":
		return &mail.Fault{Class: mail.Setup, Code: "google_client", Text: "Google does not accept the OAuth client",
			Help: "check SMTPSYNC_GOOGLE_CLIENT_ID, SMTPSYNC_GOOGLE_CLIENT_SECRET and the redirect address registered for it", Err: why}
	case "access_denied", "admin_policy_enforced", "org_internal":
		return &mail.Fault{Class: mail.Grant, Code: "grant_account", Text: "Google does not let this account grant access", Help: "ask its administrator", Err: why}
	}
	return unreachable(why)
}

// word lets through what looks like an OAuth error code.
func word(s string) string {
	if len(s) > 40 {
		return "?"
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && r != '_' {
			return "?"
		}
	}
	return s
}

func errUnsafe() *mail.Fault {
	return &mail.Fault{Class: mail.Setup, Code: "google_issuer", Text: "the issuer names addresses that are not safe", Help: "check SMTPSYNC_GOOGLE_ISSUER"}
}

func missingScope(scope string) *mail.Fault {
	if scope == ScopeLabels {
		return &mail.Fault{Class: mail.Grant, Code: "grant_scope_labels", Text: "Google was not allowed to manage labels", Help: "reconnect and leave every box ticked"}
	}
	return &mail.Fault{Class: mail.Grant, Code: "grant_scope_missing", Text: "Google was not allowed to add mail", Help: "reconnect the Google account and leave every box ticked"}
}
