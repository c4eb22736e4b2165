package mailjet

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Marks make and read the CustomID of a letter: whose it is, signed, since
// events are not. Nobody can make up an event about a letter that never was.
type Marks struct{ Key vault.Secret }

// Of gives the mark of a letter.
func (k Marks) Of(user id.User, letter string) string {
	mac := hmac.New(sha256.New, k.Key.Reveal())
	mac.Write([]byte("mailjet\x00" + user.String() + "\x00" + letter))
	return user.String() + "." + letter + "." + hex.EncodeToString(mac.Sum(nil)[:16])
}

func (k Marks) read(mark string) (user id.User, letter string, ok bool) {
	parts := strings.Split(mark, ".")
	if len(parts) != 3 {
		return user, "", false
	}
	user, err := id.Parse[id.User](parts[0])
	return user, parts[1], err == nil && hmac.Equal([]byte(k.Of(user, parts[1])), []byte(mark))
}

// mostEvents in one delivery that are looked at.
const mostEvents = 1000

// Events reads what Mailjet posts: one event or an array of them. What is not
// about a letter of ours, or changes nothing, is left out.
func (k Marks) Events(body []byte) (out []notify.Event, err error) {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' {
		body = append(append([]byte{'['}, body...), ']')
	}
	var events []struct {
		Event    string `json:"event"`
		CustomID string
		Hard     bool   `json:"hard_bounce"`
		Blocked  bool   `json:"blocked"`
		Related  string `json:"error_related_to"`
	}
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, &mail.Fault{Class: mail.Refused, Code: "mailjet_event", Text: "what came is no event of Mailjet's"}
	}
	for _, e := range events[:min(len(events), mostEvents)] {
		n := notify.Event{What: e.Event}
		switch {
		case e.Event == "spam", e.Event == "unsub":
			n.What = "spam"
		case e.Event == "bounce" && (e.Hard || e.Blocked):
		case e.Event == "blocked" && (e.Related == "recipient" || e.Related == "domain" || e.Related == "mailjet"):
		default: // sent, opened, a mailbox that is full today
			continue
		}
		var ok bool
		if n.User, n.Letter, ok = k.read(e.CustomID); ok {
			out = append(out, n)
		}
	}
	return out, nil
}
