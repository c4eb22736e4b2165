package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// tokened is the same person's program with a token of these scopes.
func (v *visitor) tokened(scopes ...string) *visitor {
	v.t.Helper()
	return v.script(v.want(201, "POST", "/tokens", map[string]any{"name": "script", "scopes": scopes})["token"].(string))
}

// upload sends a module and gives the id of the plugin.
func (v *visitor) upload(wasm []byte) string {
	v.t.Helper()
	r := v.request(http.MethodPost, v.site+"/api/v1/plugins", bytes.NewReader(wasm))
	r.Header.Set("Content-Type", "application/wasm")
	r.Header.Set("Authorization", "Bearer "+v.bearer)
	p := v.do(r)
	made := struct{ ID string }{}
	if err := json.Unmarshal([]byte(p.text), &made); err != nil || p.StatusCode != http.StatusCreated {
		v.t.Fatalf("upload: %d %s", p.StatusCode, p.text)
	}
	return made.ID
}

// mailbox adds ann's at a POP3 server, as curl would, and gives its id.
func (v *visitor) mailbox(port int, more map[string]any) string {
	v.t.Helper()
	m := map[string]any{"name": "ann's", "protocol": "pop3", "host": "127.0.0.1", "port": port, "security": "tls",
		"username": "ann", "password": password, "history": "all", "after_import": "leave"}
	maps.Copy(m, more)
	return v.want(201, "POST", "/mailboxes", m)["id"].(string)
}

// skipped gives the lines of what was skipped, by sender domain. They must have
// these reasons.
func (v *visitor) skipped(box string, reasons ...string) (lines map[string][]string) {
	v.t.Helper()
	var got []string
	lines = map[string][]string{}
	for _, e := range v.want(200, "GET", "/audit?status=skipped&mailbox="+box, nil)["entries"].([]any) {
		line := e.(map[string]any)
		domain := line["sender_domain"].(string)
		got, lines[domain] = append(got, line["reason"].(string)), append(lines[domain], line["id"].(string))
	}
	if slices.Sort(got); !slices.Equal(got, reasons) {
		v.t.Errorf("skipped because of %q, want %q", got, reasons)
	}
	return lines
}

// post is a small mail from a domain, with more header fields perhaps.
func post(n int, domain, subject string, fields ...string) []byte {
	head := fmt.Sprintf("Message-ID: <%d@%s>\r\nFrom: Someone <someone@%s>\r\nDate: Mon, 2 Feb 2026 15:04:05 +0000\r\nSubject: %s\r\n", n, domain, domain, subject)
	return []byte(head + strings.Join(append(fields, ""), "\r\n") + "\r\nall work and no play\r\n")
}

// sum names a message as the double does.
func sum(raw []byte) string {
	s := sha256.Sum256(raw)
	return hex.EncodeToString(s[:])
}

// TestTheServiceSkipsAndLabels: what rules of the service say of the mail of a
// real server is done. The audit has what was skipped with the reason, and who
// wants it after all has it once, whatever the rule says and however often the
// mailbox is looked at.
func TestTheServiceSkipsAndLabels(t *testing.T) {
	t.Parallel()
	d := sharedDovecot(t)
	for _, h := range []history{{"pop3s", "leave"}, {"imaps", "leave"}} {
		t.Run(h.scheme, func(t *testing.T) {
			t.Parallel()
			wanted, unwanted := post(1, "spam.example", "wanted after all"), post(2, "news.spam.example", "unwanted")
			raws := [][]byte{
				wanted, unwanted, letter(3, "spam.example", "", 600_000),
				post(4, "club.example", "dinner", "List-Id: Friends <friends.club.example>"),
				post(5, "other.example", "hello"),
			}
			name := d.user(t, raws)
			s := open(t, gmailtest.Options{})
			m := s.at(d.Server, h, name)
			s.start()
			v := visit(t, s)
			v.signIn(user)
			v.grantLabels(user)
			v.want(201, "POST", "/rules", map[string]any{"name": "no spam", "plugin": "skip-domains", "config": map[string]any{"domains": []string{"spam.example"}}})
			v.want(201, "POST", "/rules", map[string]any{"name": "lists", "plugin": "label-by-list-id", "config": map[string]any{"under": "Lists", "archive": true}})
			box := v.mailbox(m.Port, map[string]any{"protocol": m.Protocol, "username": name})
			s.arrived(2, 20*time.Second)
			s.until("three are skipped", 20*time.Second, func() bool { return v.want(200, "GET", "/mailboxes/"+box, nil)["skipped"] == 3.0 })
			lines := v.skipped(box, "skip-domains/1", "skip-domains/1", "skip-domains/1")
			if want := map[string]string{sum(raws[3]): "Lists/friends.club.example UNREAD", sum(raws[4]): "INBOX UNREAD"}; !maps.Equal(s.labelled(), want) {
				t.Errorf("in Gmail %v, want %v", s.labelled(), want)
			}
			for _, said := range []string{"the sender's domain is on your list", "Import after all"} {
				if p := v.get("/audit?status=skipped"); !strings.Contains(html.UnescapeString(p.text), said) {
					t.Errorf("the audit does not say %q", said)
				}
			}
			if len(lines["spam.example"]) != 2 || len(lines["news.spam.example"]) != 1 {
				t.Fatalf("skipped %v", lines)
			}
			line := lines["spam.example"][0]
			for _, one := range lines["spam.example"] { // the large one and the small one
				v.want(202, "POST", "/audit/"+one+"/import", nil)
			}
			if code, out := v.call("POST", "/audit/"+line+"/import", nil); code != 202 && code != 409 { // pressed twice
				t.Errorf("a second time: %d %v", code, out)
			}
			s.arrived(4, 20*time.Second)
			all := truth(t, d.Server, h.way(d.Server), name)
			delete(all, sum(unwanted))
			check := func(when string) {
				t.Helper()
				time.Sleep(2500 * time.Millisecond) // two polls
				v.want(202, "POST", "/mailboxes/"+box+"/sync", nil)
				s.until("it is read again", 10*time.Second, func() bool { return v.want(200, "GET", "/mailboxes/"+box, nil)["state"] == "idle" })
				once(t, s.gmail.Hashes(user), all)
				if t.Failed() {
					t.Fatal(when)
				}
			}
			check("after it was imported")
			v.want(409, "POST", "/audit/"+line+"/import", nil)
			if code, _ := s.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d\n%s", code, s.stderr)
			}
			s.start()
			check("after a restart")
			if n := v.want(200, "GET", "/mailboxes/"+box, nil)["skipped"]; n != 1.0 {
				t.Errorf("%v are skipped, want the one that nobody wants", n)
			}
			if code, _ := s.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d\n%s", code, s.stderr)
			}
		})
	}
}
