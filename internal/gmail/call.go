package gmail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// maxAnswer bounds what is read of any answer.
const maxAnswer = 64 << 10

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// attempt makes the request anew for each try. Its body is nil where the
// request has none, or one that net/http may replay.
type attempt func(context.Context, *watch) (*http.Request, *body, error)

// errStalled is the cause of a request that the watch has ended.
var errStalled = errors.New("nothing moved for two minutes")

// call makes the request, and once more with a fresh access token if Gmail
// refuses the first one. again tells whether the request can be made twice
// after some of its body was sent.
func (c *Client) call(ctx context.Context, k kind, make attempt, again func() bool) (*reply, error) {
	var stale vault.Secret
	for {
		token, err := c.tokens.Token(ctx, stale)
		if err != nil {
			return nil, err // a Fault by contract; nothing was sent
		}
		r, begun, err := c.send(ctx, k, make, token)
		switch {
		case err != nil:
			return nil, err
		case r.status != http.StatusUnauthorized || !stale.Empty():
			return r, nil
		}
		stale = token
		if begun && !again() {
			// The octets are gone. Have the new token ready for the caller's
			// next try, and let the session say what it has.
			if _, err := c.tokens.Token(ctx, stale); err != nil {
				return nil, err
			}
			return nil, &mail.Fault{Class: k.lost(), Code: "token_expired",
				Text: "the access token expired during the upload", Help: "the upload goes on with a new one"}
		}
	}
}

// send makes one request and reads the answer.
func (c *Client) send(ctx context.Context, k kind, make attempt, token vault.Secret) (_ *reply, begun bool, _ error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWatch(func() { cancel(errStalled) })
	defer w.stop()
	req, b, err := make(ctx, w)
	if err != nil {
		return nil, false, err
	}
	req.Header["Authorization"] = []string{"Bearer " + token.RevealString()}
	req.Header["User-Agent"] = userAgent

	r, err := c.exchange(req)
	if b != nil {
		var why error
		if begun, why = b.release(); why != nil && !(r != nil && (r.status >= 400 || r.status < 300)) {
			return nil, begun, torn(why)
		}
	}
	if err != nil {
		return nil, begun, lostFault(k, scrub(ctx, req.URL, err))
	}
	return r, begun, nil
}

var userAgent = []string{"smtp-sync"}

// exchange uses the transport itself: an http.Client would follow redirects,
// among them the 308 that is an answer here, and put the URL into its errors.
func (c *Client) exchange(req *http.Request) (*reply, error) {
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return &reply{status: resp.StatusCode, header: resp.Header, body: b}, nil
}

// torn is the failure of the source in the middle of an upload: the request
// was aborted before its last octet and has committed nothing.
func torn(why error) error {
	if f, ok := mail.AsFault(why); ok {
		return f
	}
	return &mail.Fault{Class: mail.Transient, Code: "message_torn",
		Text: "the message broke off while it was uploaded", Help: "it is read again", Err: why}
}

// lostFault is a request without an answer.
func lostFault(k kind, err error) *mail.Fault {
	f := &mail.Fault{Class: k.lost(), Code: "gmail_unreachable",
		Text: "no answer from Gmail", Help: "it is tried again", Err: err}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		f.Help = "check this machine's network and DNS; it is tried again"
	}
	return f
}

// scrub makes an error of net/http safe to log: nothing in it names the
// session, and a stall is told as one.
func scrub(ctx context.Context, u *url.URL, err error) error {
	if cause := context.Cause(ctx); cause == errStalled {
		return cause
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	text := err.Error()
	if strings.Contains(text, "upload_id") || u.RawQuery != "" && strings.Contains(text, u.RawQuery) {
		return fmt.Errorf("request failed (%T)", err)
	}
	return err
}
