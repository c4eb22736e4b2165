// Package hook delivers notices to a URL of the operator, as signed JSON:
//
//	POST, Content-Type: application/json
//	Smtp-Sync-Signature: t=1760000000,v1=<hex HMAC-SHA-256 of "1760000000." and the body>
//
//	{"id","kind","at","user_id","subject","text","mailboxes":[{"id","name","code"}]}
//
// id is the same when it is sent again. Any 2xx is taken; redirects are not
// followed. There is no address in it.
package hook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Header is where the signature is.
const Header = "Smtp-Sync-Signature"

// Notifier posts to one URL.
type Notifier struct {
	url, key vault.Secret
	client   *http.Client
}

// New makes a Notifier.
func New(url, key vault.Secret, transport http.RoundTripper) *Notifier {
	return &Notifier{url: url, key: key, client: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Name implements notify.Notifier.
func (*Notifier) Name() string { return "webhook" }

// Mails implements notify.Notifier.
func (*Notifier) Mails() bool { return false }

type body struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	User    string    `json:"user_id"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Boxes   []box     `json:"mailboxes"`
}

type box struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Code string `json:"code,omitempty"`
}

// Send implements notify.Notifier.
func (n *Notifier) Send(ctx context.Context, l notify.Letter) error {
	b := body{ID: l.ID, Kind: string(l.Kind), At: l.At.UTC(), User: l.User.String(), Subject: l.Subject, Text: l.Text, Boxes: []box{}}
	for _, m := range l.Boxes {
		b.Boxes = append(b.Boxes, box{m.ID.String(), m.Name, m.Code})
	}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url.RevealString(), bytes.NewReader(text))
	if err != nil {
		return &mail.Fault{Class: mail.Setup, Code: "notify_webhook", Text: "the webhook of notices has no address that works", Help: "check SMTPSYNC_NOTIFY_WEBHOOK_URL"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(Header, Sign(n.key, time.Now(), text))
	res, err := n.client.Do(req)
	if err != nil { // its text would show the address
		return &mail.Fault{Class: mail.Transient, Code: "notify_webhook", Text: "the webhook of notices cannot be reached"}
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		return &mail.Fault{Class: mail.Transient, Code: "notify_webhook", Text: fmt.Sprintf("the webhook of notices answers %d", res.StatusCode)}
	}
	return nil
}

// Sign gives the value of the Header.
func Sign(key vault.Secret, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key.Reveal())
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
