package gmail

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// kind is what was asked of Gmail; the same answer means different things to
// different questions.
type kind int

const (
	kindOpen kind = iota
	kindPut       // Put and Query
	kindLabel
)

// lost is the class of a request without a clear answer. Only a session can
// have committed something behind our back.
func (k kind) lost() mail.Class {
	if k == kindPut {
		return mail.Unknown
	}
	return mail.Transient
}

// meaning of an error answer, the first column of the table in facts 6.
type meaning int

const (
	unsaid meaning = iota
	slowUser
	slowConcurrent
	slowProject
	slowDay
	slowSomebody // who is in the message text
	busy
	unauthorized
	scopeMissing
	accountUnfit
	apiDisabled
	forbidden
	refused
	tooLarge
	notFound
)

// byWord gives the meaning of the words Google puts into errors[].reason,
// details[].reason and status.
var byWord = map[string]meaning{
	"userRateLimitExceeded":           slowUser,
	"rateLimitExceeded":               slowSomebody,
	"RATE_LIMIT_EXCEEDED":             slowSomebody,
	"RESOURCE_EXHAUSTED":              slowSomebody,
	"quotaExceeded":                   slowProject,
	"dailyLimitExceeded":              slowDay,
	"backendError":                    busy,
	"internalError":                   busy,
	"INTERNAL":                        busy,
	"UNAVAILABLE":                     busy,
	"DEADLINE_EXCEEDED":               busy,
	"ABORTED":                         busy,
	"authError":                       unauthorized,
	"UNAUTHENTICATED":                 unauthorized,
	"insufficientPermissions":         scopeMissing,
	"ACCESS_TOKEN_SCOPE_INSUFFICIENT": scopeMissing,
	"failedPrecondition":              accountUnfit,
	"FAILED_PRECONDITION":             accountUnfit,
	"domainPolicy":                    accountUnfit,
	"accessNotConfigured":             apiDisabled,
	"SERVICE_DISABLED":                apiDisabled,
	"PERMISSION_DENIED":               forbidden,
	"invalidArgument":                 refused,
	"INVALID_ARGUMENT":                refused,
	"badRequest":                      refused,
	"badContent":                      refused,
	"invalid":                         refused,
}

// byCode gives the meaning where no word says it. Codes it does not know, and
// a bare 403 (a front end's, not the API's), say nothing about the message.
func byCode(code int) meaning {
	switch {
	case code == http.StatusBadRequest:
		return refused
	case code == http.StatusUnauthorized:
		return unauthorized
	case code == http.StatusNotFound:
		return notFound
	case code == http.StatusRequestEntityTooLarge:
		return tooLarge
	case code == http.StatusTooManyRequests:
		return slowSomebody
	}
	return busy
}

// meaningOf decides by errors[0].reason, details[].reason, status, HTTP code,
// in this order. Size alone is told by the code only.
func meaningOf(code int, e apiError) meaning {
	m := unsaid
	for _, word := range e.words() {
		if m = byWord[word]; m != unsaid {
			break
		}
	}
	switch {
	case m == unsaid || m == refused && code == http.StatusRequestEntityTooLarge:
		m = byCode(code)
	case m == refused && code >= 500: // the front end's words about itself
		m = busy
	}
	if m == slowSomebody {
		m = whoIsSlow(code, e.message)
	}
	return m
}

// whoIsSlow tells whether a rate refusal is about this user or the whole
// project; the words "Rate Limit Exceeded" alone are about the project. A 429
// without any words parks only the user: if it was about the project, the
// others will hear of it themselves.
func whoIsSlow(code int, message string) meaning {
	text := strings.ToLower(message)
	switch {
	case strings.Contains(text, "concurrent requests"):
		return slowConcurrent
	case strings.Contains(text, "per user"), strings.Contains(text, "user-rate"),
		strings.Contains(text, "for user"), strings.Contains(text, "user rate"):
		return slowUser
	case text == "" && code == http.StatusTooManyRequests:
		return slowUser
	}
	return slowProject
}

// fault translates an error answer, once, at this edge.
func (c *Client) fault(k kind, r *reply) *mail.Fault {
	e := parseError(r.body)
	f := faultOf(k, meaningOf(r.status, e), r.status, e)
	now := time.Now()
	switch until, named := retryAfter(r.header, e.message, now); {
	case named && (f.Class == mail.RateLimited || f.Class == mail.Transient || f.Class == mail.Unknown):
		f.Until = until
	case f.Class == mail.RateLimited && f.Scope == "day":
		f.Until = now.Add(time.Hour) // the cap's reset is at midnight in California; look again now and then
	}
	// Any other limit has no time: whoever waits does so longer each time.
	if f.Code == "gmail_label_missing" {
		c.labels.forget()
	}
	f.Err = errors.New("gmail answered " + e.describe(r.status))
	return f
}

const (
	helpLater     = "it goes on by itself"
	helpReconnect = "reconnect the Google account"
	helpLeft      = "it stays in the old mailbox; look at it there"
)

func faultOf(k kind, m meaning, code int, e apiError) *mail.Fault {
	switch m {
	case slowUser:
		return slow("user", "Gmail's limit for this account is reached")
	case slowConcurrent:
		return slow("concurrent", "Gmail has too many requests in flight for this account")
	case slowProject:
		return slow("project", "Gmail's limit for this installation is reached")
	case slowDay:
		return slow("day", "Gmail's daily limit for this installation is reached")
	case unauthorized:
		return &mail.Fault{Class: mail.Grant, Code: "grant_unauthorized", Text: "Gmail does not accept the access token", Help: helpReconnect}
	case scopeMissing:
		return &mail.Fault{Class: mail.Grant, Code: "grant_scope_missing",
			Text: "the Google account has not allowed what this needs",
			Help: "reconnect the Google account and leave every box ticked"}
	case accountUnfit:
		return &mail.Fault{Class: mail.Grant, Code: "grant_account", Text: "this Google account cannot take mail through the Gmail API",
			Help: "check that Gmail is switched on for it and that its administrator allows the app"}
	case apiDisabled:
		return &mail.Fault{Class: mail.Grant, Code: "grant_api_disabled", Text: "the Gmail API is not enabled in the Google Cloud project",
			Help: "enable it under APIs & Services and wait some minutes"}
	case forbidden:
		return &mail.Fault{Class: mail.Grant, Code: "grant_forbidden", Text: "Google forbids this account to import mail", Help: helpReconnect}
	case notFound:
		if k != kindPut {
			return &mail.Fault{Class: mail.Setup, Code: "gmail_not_found", Text: "there is no Gmail API at the configured address",
				Help: "check SMTPSYNC_GMAIL_API_URL"}
		}
	case tooLarge:
		return &mail.Fault{Class: mail.Refused, Code: "gmail_too_large", Text: "Gmail refused the message as too large", Help: helpLeft}
	case refused:
		return refusal(k, e)
	}
	return &mail.Fault{Class: k.lost(), Code: "gmail_unavailable",
		Text: fmt.Sprintf("Gmail is not available (HTTP %d)", code), Help: helpLater}
}

func slow(scope, text string) *mail.Fault {
	return &mail.Fault{Class: mail.RateLimited, Code: "gmail_rate", Scope: scope, Text: text, Help: helpLater}
}

// refusal is a 400: this message, as it is, will never be taken. Gmail's
// sentence is matched and not passed on, since it may quote the request.
func refusal(k kind, e apiError) *mail.Fault {
	if k == kindLabel {
		return &mail.Fault{Class: mail.Setup, Code: "label_name", Text: "Gmail does not accept the label's name", Help: "choose another name"}
	}
	f := &mail.Fault{Class: mail.Refused, Help: helpLeft}
	switch text := strings.ToLower(e.message); {
	case strings.Contains(text, "invalid from header"):
		f.Code, f.Text = "gmail_invalid_from", "Gmail refused the message: its From is not an address"
	case strings.Contains(text, "single 'from' header"):
		f.Code, f.Text = "gmail_single_from", "Gmail refused the message: it has no From or several"
	case strings.Contains(text, "invalid attachment"):
		f.Code, f.Text = "gmail_attachment", "Gmail refused the message for its attachment"
	case strings.Contains(text, "labelid not found"), strings.Contains(text, "invalid label"):
		f.Code, f.Text, f.Help = "gmail_label_missing", "Gmail does not know the label any more", "it is looked up or created again"
	default:
		f.Code, f.Text = "gmail_refused", "Gmail refused the message ("+e.reason("badRequest")+")"
	}
	return f
}
