package e2e

import (
	"bytes"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// endings are the ways in which what came from Google comes to its end. Each
// gives the moment from which on the service knows.
var endings = []struct {
	name  string
	wiped bool // with the mailbox: nobody is left to say what was cut
	end   func(*upload) time.Time
}{
	{"an event of Google's", false, func(u *upload) time.Time {
		status, err := u.gmail.SendEvent(u.t.Context(), http.DefaultClient, u.v.site+"/webhooks/google/risc",
			gmailtest.Event{Type: "tokens-revoked", Email: user, Issuer: u.gmail.URL + "/"})
		if err != nil || status != http.StatusAccepted {
			u.t.Fatalf("the event: %d, %v", status, err)
		}
		return time.Now()
	}},
	{"invalid_grant", false, func(u *upload) time.Time {
		asked := u.gmail.Stats().Requests[gmailtest.Token]
		u.gmail.Revoke(user)
		if err := u.d.Deliver(u.other, "", testkit.Message(2)); err != nil { // whose pass learns of it
			u.t.Fatal(err)
		}
		u.until("Google refuses a token", 10*time.Second, func() bool { return u.gmail.Stats().Requests[gmailtest.Token] > asked })
		return time.Now()
	}},
	{"DELETE /grant", false, func(u *upload) time.Time {
		begun := time.Now()
		u.v.want(200, "DELETE", "/grant", nil)
		return begun
	}},
	{"DELETE /mailboxes/{id}", true, func(u *upload) time.Time {
		begun := time.Now()
		u.v.want(200, "DELETE", "/mailboxes/"+u.box, nil)
		return begun
	}},
	{"DELETE /me", true, func(u *upload) time.Time {
		begun := time.Now()
		u.v.want(200, "DELETE", "/me", nil)
		return begun
	}},
}

// upload is one that is under way, of a user with another mailbox beside it.
type upload struct {
	*service
	t     *testing.T
	d     *commonDovecot
	v     *visitor
	c     *visitor // who stays signed in
	box   string   // whose mail it is
	other string   // a name at the source
}

// uploading begins an upload that would take a quarter of a minute.
func uploading(t *testing.T) *upload {
	u := &upload{t: t, d: sharedDovecot(t), service: open(t, gmailtest.Options{})}
	name := u.d.user(t, [][]byte{testkit.Message(1)})
	u.other = u.d.user(t, nil)
	m := u.at(u.d.Server, history{"imaps", "leave"}, name)
	u.start()
	u.v = visit(t, u.service)
	u.v.signIn(user)
	u.v.grant(user, gmailtest.ScopeInsert)
	for _, who := range []string{u.other, name} {
		made := u.v.want(201, "POST", "/mailboxes", map[string]any{"name": who, "protocol": "imap", "host": m.Host, "port": m.Port,
			"security": "tls", "username": who, "password": password, "after_import": "leave", "history": "all"})
		u.box = made["id"].(string)
	}
	u.arrived(1, 20*time.Second)
	u.until("the push", 10*time.Second, func() bool { return u.figure("smtpsync_actors_parked_connections") == 2 })
	token := u.v.want(201, "POST", "/tokens", map[string]any{"name": "t", "scopes": []string{"mailboxes:read", "audit:read"}})
	u.c = u.v.script(token["token"].(string))

	u.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Slow, DelayMS: 25})
	var large bytes.Buffer
	if _, err := copyTo(&large, testkit.Big(40_000_000, 2)); err != nil {
		t.Fatal(err)
	}
	taken := u.gmail.Stats().Octets
	if err := u.d.Deliver(name, "", large.Bytes()); err != nil {
		t.Fatal(err)
	}
	u.until("the upload", 15*time.Second, func() bool { return u.gmail.Stats().Octets > taken+1_000_000 })
	return u
}

// TestAnUploadUnderWayIsCutWhateverEndsIt: within five seconds of when the
// service can know, on the connection to Gmail.
func TestAnUploadUnderWayIsCutWhateverEndsIt(t *testing.T) {
	t.Parallel()
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			u := uploading(t)
			cut := u.gmail.Stats().Statuses[0]
			begun := e.end(u)
			u.until("the upload is cut", 5*time.Second-time.Since(begun), func() bool { return u.gmail.Stats().Statuses[0] > cut })
			took := time.Since(begun)
			opened := u.gmail.Stats().Requests[gmailtest.Open]
			if !e.wiped {
				u.until("what came from Google is destroyed", 5*time.Second-time.Since(begun), func() bool {
					me := u.c.want(200, "GET", "/me", nil)
					return at(me, "grant", "status") == "revoked" && me["email"] == ""
				})
				lines := u.c.want(200, "GET", "/audit?status=doubtful", nil)["entries"].([]any)
				if len(lines) != 1 || at(lines[0].(map[string]any), "reason") != "grant_revoked" {
					t.Errorf("doubtful = %v, want the message that was on its way", lines)
				}
			}
			time.Sleep(time.Second) // a poll later
			if n := total(u.gmail.Hashes(user)); n != 1 {
				t.Errorf("%d messages in Gmail, want the one from before", n)
			}
			if n := u.gmail.Stats().Requests[gmailtest.Open] - opened; n != 0 {
				t.Errorf("%d uploads were begun after the end", n)
			}
			if code, _ := u.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d\n%s", code, u.stderr)
			}
			t.Logf("cut after %v", took)
		})
	}
}
