package oauth

import (
	"context"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// callback is what the consent page sends a browser back with.
type callback struct {
	state, code, issuer, fault string
}

// readCallback insists on each parameter being there once (RFC 6749 3.1), so
// that nobody else on the way reads another value than we do.
func readCallback(q url.Values) (callback, error) {
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(q[name]) > 1 {
			return callback{}, badCallback("the callback says " + name + " twice")
		}
	}
	return callback{q.Get("state"), q.Get("code"), q.Get("iss"), q.Get("error")}, nil
}

// openLive opens a cookie whose time is not over.
func (s sealer) openLive(cookie string) (Flow, error) {
	f, ok := s.open(cookie)
	if !ok {
		return Flow{}, badCallback("this browser did not begin the sign-in, or its cookie is gone")
	}
	if !time.Now().Before(f.Expires) {
		return Flow{}, badCallback("the sign-in took longer than ten minutes")
	}
	return f, nil
}

// namesItself: an answer that names its issuer names ours, and one that should
// name it does (RFC 9207 2.4). Else a code of one provider could be carried to
// another.
func (p *Provider) namesItself(ctx context.Context, back callback) error {
	e, err := p.endpoints(ctx)
	if err != nil {
		return err
	}
	if back.issuer != p.o.Issuer && (back.issuer != "" || e.named) {
		return badCallback("the callback is from another sign-in service than Google")
	}
	return nil
}

// CallbackFault translates the error parameter of a callback; nil if it is "".
func CallbackFault(code string) error {
	switch code {
	case "":
		return nil
	case "access_denied":
		return &mail.Fault{Class: mail.Grant, Code: "grant_denied", Text: "Google's consent page was answered with no", Help: "start again and allow it"}
	}
	return startAgain(fromToken(&oauth2.RetrieveError{ErrorCode: word(code)}))
}

// startAgain is for a failure that nobody tries again but the person.
func startAgain(f *mail.Fault) *mail.Fault {
	if f.Class == mail.Transient {
		f.Help = "start the sign-in again"
	}
	return f
}

func errForeignState() *mail.Fault {
	return badCallback("the callback does not belong to this sign-in")
}

func badCallback(text string) *mail.Fault {
	return &mail.Fault{Class: mail.Grant, Code: "grant_callback", Text: text, Help: "start the sign-in again"}
}
