// Package mailjettest is a stand-in for Mailjet's Send API v3.1 that is stricter
// than the original: it refuses what the guide says is refused, with the codes
// of its table, and whatever this program has no reason to send.
//
// A message that it takes is kept, to be looked at, with the id under which
// events about it would come.
package mailjettest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Key and Secret that it takes, and the sender that is validated.
const (
	Key    = "mailjet-public-key"
	Secret = "mailjet-private-key"
	Sender = "notices@smtp-sync.example"
)

// Message is one that was taken.
type Message struct {
	From, To, Subject, Text, HTML, CustomID string
	Headers                                 map[string]string
}

// Server is a running Mailjet.
type Server struct {
	URL string

	mu    sync.Mutex
	taken []Message
	fail  []int // statuses of the next answers; 0: the connection is cut
}

// Start runs a server until the test ends.
func Start(tb interface{ Cleanup(func()) }) *Server {
	s := &Server{}
	h := httptest.NewServer(http.HandlerFunc(s.serve))
	tb.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Fail has the next requests fail with these statuses; 0 cuts the connection
// after the message was taken, as a network does.
func (s *Server) Fail(statuses ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = append(s.fail, statuses...)
}

// Taken gives the messages that were taken so far.
func (s *Server) Taken() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// Event is what Mailjet would post about a message.
func Event(kind string, m Message, more map[string]any) []byte {
	e := map[string]any{"event": kind, "time": 1433333949, "MessageID": 19421777835146490, "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
		"email": m.To, "mj_campaign_id": 7257, "mj_contact_id": 4, "customcampaign": "", "CustomID": m.CustomID, "Payload": ""}
	maps.Copy(e, more)
	b, _ := json.Marshal(e)
	return b
}

type fault struct {
	ErrorIdentifier string
	ErrorCode       string
	StatusCode      int
	ErrorMessage    string
	ErrorRelatedTo  []string `json:",omitempty"`
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	global := func(status int, code, text string) {
		answer(status, fault{"06df1144-c6f3-4ca7-8885-7ec5d4344113", code, status, text, nil})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	cut := false
	if len(s.fail) > 0 {
		status := s.fail[0]
		s.fail = s.fail[1:]
		if cut = status == 0; !cut {
			global(status, "mj-9999", "on order of the test")
			return
		}
	}
	switch user, password, _ := r.BasicAuth(); {
	case r.URL.Path != "/v3.1/send" || r.URL.RawQuery != "":
		http.NotFound(w, r)
		return
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case user != Key || password != Secret:
		global(401, "mj-0015", "API key authentication/authorization failure.")
		return
	case r.Header.Get("Content-Type") != "application/json":
		global(415, "mj-0002", "only JSON is taken")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	var payload map[string]json.RawMessage
	var messages []map[string]json.RawMessage
	if err != nil || json.Unmarshal(body, &payload) != nil || json.Unmarshal(payload["Messages"], &messages) != nil {
		global(400, "mj-0002", "Malformed JSON, please review the syntax and properties types.")
		return
	}
	if len(messages) == 0 || len(messages) > 50 || len(payload) != 1 {
		global(400, "mj-0007", "Messages: from 1 to 50, and nothing beside them")
		return
	}
	var results []any
	status := 200
	for _, m := range messages {
		one, faults := check(m)
		if len(faults) > 0 {
			status = faults[0].StatusCode
			results = append(results, map[string]any{"Status": "error", "Errors": faults})
			continue
		}
		s.taken = append(s.taken, one)
		n := len(s.taken)
		results = append(results, map[string]any{"Status": "success", "CustomID": one.CustomID, "Cc": []any{}, "Bcc": []any{},
			"To": []any{map[string]any{"Email": one.To, "MessageUUID": fmt.Sprintf("uuid-%d", n), "MessageID": 70650219165027410 + n,
				"MessageHref": fmt.Sprintf("https://api.mailjet.com/v3/REST/message/%d", 70650219165027410+n)}}})
	}
	if cut {
		panic(http.ErrAbortHandler)
	}
	answer(status, map[string]any{"Messages": results})
}

// forbidden are the headers that Mailjet refuses in Headers.
var forbidden = strings.Fields("from sender subject to cc bcc return-path delivered-to dkim-signature domainkey-status received-spf " +
	"authentication-results received x-mailjet-prio x-mailjet-debug user-agent x-mailer x-mj-customid x-mj-eventpayload x-mj-vars " +
	"x-mj-templateerrordeliver x-mj-templateerrorreporting x-mj-templatelanguage x-mailjet-trackopen x-mailjet-trackclick x-mj-templateid " +
	"x-mj-workflowid x-feedback-id x-mailjet-segmentation list-id x-mj-mid x-mj-errormessage date x-csa-complaints message-id " +
	"x-mailjet-campaign x-mj-statisticscontactslistid reply-to")

// known are the properties that this program sends; Mailjet knows more.
var known = strings.Fields("From To Subject TextPart HTMLPart CustomID TrackOpens TrackClicks Headers")

// check validates a message as the guide describes.
func check(m map[string]json.RawMessage) (out Message, faults []fault) {
	wrong := func(status int, code, text string, related ...string) {
		faults = append(faults, fault{"f987008f-251a-4dff-8ffc-40f1583ad7bc", code, status, text, related})
	}
	for property := range m {
		if !slices.Contains(known, property) {
			wrong(400, "mj-0004", "a property that this program has no reason to send", property)
		}
	}
	text := func(property string, most int) (s string) {
		raw, there := m[property]
		switch {
		case !there || string(raw) == "null":
			wrong(400, "mj-0003", property+" is mandatory", property)
		case json.Unmarshal(raw, &s) != nil:
			wrong(400, "mj-0004", "Type mismatch. Expected type \"string\".", property)
		case s == "":
			wrong(400, "mj-0012", "empty", property)
		case utf8.RuneCountInString(s) > most:
			wrong(400, "mj-0006", "too long", property)
		}
		return s
	}
	type contact struct{ Email, Name string }
	address := func(c contact, related string) string {
		if a, err := netmail.ParseAddress(c.Email); err != nil || a.Address != c.Email || !strings.Contains(c.Email, ".") {
			wrong(400, "mj-0013", "the email address format is invalid", related)
		}
		return c.Email
	}
	var from contact
	var to []contact
	if json.Unmarshal(m["From"], &from) != nil {
		wrong(400, "mj-0003", "From is mandatory", "From")
	} else if out.From = address(from, "From.Email"); out.From != Sender {
		wrong(403, "send-0008", "the sender is not authorized", "From")
	}
	if json.Unmarshal(m["To"], &to) != nil || len(to) != 1 { // of one user, to nobody else
		wrong(400, "mj-0007", "one recipient", "To")
	} else {
		out.To = address(to[0], "To[0].Email")
	}
	out.Subject, out.Text, out.HTML = text("Subject", 255), text("TextPart", 1<<20), text("HTMLPart", 1<<20)
	out.CustomID = text("CustomID", 255)
	for _, p := range []string{"TrackOpens", "TrackClicks"} {
		if text(p, 20) != "disabled" { // account_default is another value that Mailjet takes
			wrong(400, "mj-0005", "tracking is off for this program", p)
		}
	}
	if raw, there := m["Headers"]; there {
		if json.Unmarshal(raw, &out.Headers) != nil {
			wrong(400, "mj-0004", "Type mismatch. Expected type \"object\".", "Headers")
		}
		for h, v := range out.Headers {
			if slices.Contains(forbidden, strings.ToLower(h)) || strings.ContainsAny(h+v, "\r\n") {
				wrong(400, "send-0011", "forbidden header", `Headers["`+h+`"]`)
			}
		}
	}
	return out, faults
}
