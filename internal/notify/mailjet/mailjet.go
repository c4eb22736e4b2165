// Package mailjet delivers notices through Mailjet's Send API v3.1 and reads the
// events that it posts of them. Opens and clicks are not tracked: that is said
// in every request, whatever the account's own setting is.
//
// What it takes for granted (Mailjet's guides "Send API v3.1" and "Event API"):
//
//   - a message is taken when its Status is "success"; one request with one
//     message has one entry in Messages;
//   - HTTP 401 is a wrong key, 403 send-0008 a sender that is not validated: the
//     operator's to repair; 429 and 5xx are to be tried again;
//   - mj-0013 related to To is an address that can never be reached;
//   - CustomID comes back in each event, unchanged; requests are not
//     deduplicated by it;
//   - events are single objects or arrays of mixed types, may come twice, and
//     anything but 200 is sent again for a day. They are not signed.
//
// No dependency does this: Mailjet's own client keeps its keys in strings.
package mailjet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Options of a Notifier; all are required.
type Options struct {
	APIURL      string // https://api.mailjet.com
	Key, Secret vault.Secret
	From        string // with or without a name
	Marks       Marks
	Transport   http.RoundTripper
}

// Notifier sends through one Mailjet account.
type Notifier struct {
	o      Options
	from   contact
	client *http.Client
}

// New makes a Notifier.
func New(o Options) (*Notifier, error) {
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("sender of notices: %w", err)
	}
	return &Notifier{o: o, from: contact{from.Address, from.Name}, client: &http.Client{Transport: o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Name implements notify.Notifier.
func (*Notifier) Name() string { return "mail" }

// Mails implements notify.Notifier.
func (*Notifier) Mails() bool { return true }

type contact struct {
	Email string `json:"Email"`
	Name  string `json:"Name,omitempty"`
}

type message struct {
	From        contact           `json:"From"`
	To          []contact         `json:"To"`
	Subject     string            `json:"Subject"`
	TextPart    string            `json:"TextPart"`
	HTMLPart    string            `json:"HTMLPart"`
	CustomID    string            `json:"CustomID"`
	TrackOpens  string            `json:"TrackOpens"`
	TrackClicks string            `json:"TrackClicks"`
	Headers     map[string]string `json:"Headers,omitempty"`
}

type answer struct {
	ErrorCode string
	Messages  []struct {
		Status string
		Errors []struct {
			ErrorCode      string
			StatusCode     int
			ErrorRelatedTo []string
		}
	}
}

const mostAnswer = 64 << 10

// Send implements notify.Notifier.
func (n *Notifier) Send(ctx context.Context, l notify.Letter) error {
	m := message{From: n.from, To: []contact{{Email: l.To}}, Subject: short(l.Subject), TextPart: l.Text, HTMLPart: l.HTML,
		CustomID: n.o.Marks.Of(l.User, l.ID), TrackOpens: "disabled", TrackClicks: "disabled",
		Headers: map[string]string{"Auto-Submitted": "auto-generated"}} // RFC 3834
	if strings.HasPrefix(l.Unsubscribe, "https://") { // RFC 8058
		m.Headers["List-Unsubscribe"], m.Headers["List-Unsubscribe-Post"] = "<"+l.Unsubscribe+">", "List-Unsubscribe=One-Click"
	}
	body, err := json.Marshal(map[string]any{"Messages": []message{m}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.o.APIURL+"/v3.1/send", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(n.o.Key.RevealString(), n.o.Secret.RevealString())
	res, err := n.client.Do(req)
	if err != nil {
		return &mail.Fault{Class: mail.Transient, Code: "notify_mailjet", Text: "Mailjet cannot be reached", Err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err != nil {
		return &mail.Fault{Class: mail.Transient, Code: "notify_mailjet", Text: "Mailjet's answer breaks off", Err: err}
	}
	return fault(res, text)
}

// subjects of Mailjet are 255 characters at most.
func short(s string) string {
	if r := []rune(s); len(r) > 255 {
		return string(r[:254]) + "…"
	}
	return s
}

// fault says what an answer means. Its texts quote what was sent: they are not
// kept.
func fault(res *http.Response, text []byte) error {
	var a answer
	broken := json.Unmarshal(text, &a)
	if res.StatusCode == http.StatusOK && broken == nil && len(a.Messages) == 1 && a.Messages[0].Status == "success" {
		return nil
	}
	f := &mail.Fault{Class: mail.Transient, Code: "notify_mailjet", Text: fmt.Sprintf("Mailjet does not take the mail now (%d)", res.StatusCode)}
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		f.Class, f.Until = mail.RateLimited, time.Now().Add(retryAfter(res.Header.Get("Retry-After")))
		return f
	case res.StatusCode == http.StatusUnauthorized:
		f.Class, f.Text, f.Help = mail.Setup, "Mailjet refuses the key", "check SMTPSYNC_MAILJET_KEY and SMTPSYNC_MAILJET_SECRET"
		return f
	case res.StatusCode >= 500 || broken != nil:
		return f
	}
	codes := []string{a.ErrorCode}
	for _, m := range a.Messages {
		for _, e := range m.Errors {
			if e.ErrorCode == "mj-0013" && slices.ContainsFunc(e.ErrorRelatedTo, func(s string) bool { return strings.HasPrefix(s, "To") }) {
				return &mail.Fault{Class: mail.Refused, Code: "notify_address", Text: "Mailjet takes nothing for this address"}
			}
			codes = append(codes, e.ErrorCode)
		}
	}
	f.Class, f.Text, f.Help = mail.Setup, "Mailjet refuses the mail: "+plain(codes), "look the code up in Mailjet's list of Send API errors"
	if slices.Contains(codes, "send-0008") {
		f.Text, f.Help = "Mailjet does not know the sender", "validate SMTPSYNC_NOTIFY_FROM at Mailjet"
	}
	return f
}

// plain keeps what can be a code.
func plain(codes []string) string {
	var out []string
	for _, c := range codes {
		if c != "" && len(c) < 20 && strings.Trim(c, "abcdefghijklmnopqrstuvwxyz-0123456789") == "" {
			out = append(out, c)
		}
	}
	return strings.Join(out, ", ")
}

func retryAfter(s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return time.Minute
	}
	return min(time.Duration(n)*time.Second, time.Hour)
}
