package gmail

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// openURL is the address that starts an import; everything that is not in the
// message is said here and is fixed from then on.
func openURL(api string, receivedTime, neverSpam, calendar bool) string {
	source := "dateHeader"
	if receivedTime {
		source = "receivedTime"
	}
	return api + "/upload/gmail/v1/users/me/messages/import?" + url.Values{
		"uploadType":         {"resumable"},
		"internalDateSource": {source},
		"neverMarkSpam":      {strconv.FormatBool(neverSpam)},
		"processForCalendar": {strconv.FormatBool(calendar)},
		"fields":             {"id,threadId,labelIds"},
	}.Encode()
}

func bit(b bool, v int) int {
	if b {
		return v
	}
	return 0
}

// Open starts an upload session and gives its URI. Nothing is imported by it,
// so a lost answer is only a reason to try again.
func (c *Client) Open(ctx context.Context, u mail.Upload) (vault.Secret, error) {
	labels := u.LabelIDs
	if labels == nil {
		labels = []string{}
	}
	// An empty list is said as such: what Gmail does without one is not known.
	meta, err := json.Marshal(struct {
		LabelIDs []string `json:"labelIds"`
	}{labels})
	if err != nil {
		panic("gmail: strings that JSON cannot say: " + err.Error())
	}
	address := c.open[bit(u.ReceivedTime, 1)|bit(u.NeverSpam, 2)|bit(u.Calendar, 4)]
	r, err := c.call(ctx, kindOpen, func(ctx context.Context, _ *watch) (*http.Request, *body, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(meta))
		if err != nil {
			return nil, nil, lostFault(kindOpen, scrub(ctx, c.api, err))
		}
		req.Header = http.Header{
			"Content-Type":          {"application/json; charset=UTF-8"},
			"X-Upload-Content-Type": {"message/rfc822"},
			"Idempotency-Key":       nil, // not sent; lets net/http replay on a stale connection: Open imports nothing
		}
		if u.Size >= 0 {
			req.Header["X-Upload-Content-Length"] = []string{strconv.FormatInt(u.Size, 10)}
		}
		return req, nil, nil
	}, func() bool { return true })
	if err != nil {
		return vault.Secret{}, err
	}
	if r.status != http.StatusOK && r.status != http.StatusCreated {
		return vault.Secret{}, c.fault(kindOpen, r)
	}
	location := r.header.Get("Location")
	if _, err := c.sessionURL(location); err != nil {
		return vault.Secret{}, err
	}
	return vault.NewSecret(location), nil
}

// maxSession bounds a session URI; live ones have 700 to 900 characters.
const maxSession = 8 << 10

// sessionURL parses a session URI as far as safety asks: where it leads. The
// rest is Google's business. It is parsed before each use, since a stored one
// may be older than the configuration.
func (c *Client) sessionURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	ok := err == nil && len(s) <= maxSession && u.User == nil && u.Opaque == "" &&
		(u.Scheme == c.api.Scheme && u.Host == c.api.Host ||
			u.Scheme == "https" && (u.Host == "gmail.googleapis.com" || u.Host == "www.googleapis.com"))
	if !ok {
		return nil, &mail.Fault{Class: mail.Setup, Code: "session_host",
			Text: "the upload session is not on the Gmail API's host",
			Help: "check SMTPSYNC_GMAIL_API_URL and any proxy in front of it"}
	}
	return u, nil
}
