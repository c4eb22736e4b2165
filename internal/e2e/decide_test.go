package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// TestWhatIsNotInGmailIsDecidedAbout: a message that Gmail refuses once is
// imported after its user has asked for that, and one whose outcome nobody
// knows is in Gmail because he says so. Neither comes twice.
func TestWhatIsNotInGmailIsDecidedAbout(t *testing.T) {
	t.Parallel()
	d := serve(t, "ann", testkit.Message(1))
	defer d.Stop()
	s := open(t, gmailtest.Options{})
	pop := history{"pop3s", "leave"}
	m := s.at(d, pop, "ann")
	s.start()
	v := visit(t, s)
	v.signIn(user)
	v.grant(user, gmailtest.ScopeInsert)
	s.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.ReadThenAnswer, Status: 400, Body: `{"error":{"code":400,"message":"Invalid attachment."}}`})
	made := v.want(201, "POST", "/mailboxes", map[string]any{"name": "ann's", "protocol": "pop3", "host": m.Host, "port": m.Port,
		"security": "tls", "username": "ann", "password": password, "after_import": "leave", "history": "all"})
	box := "/mailboxes/" + made["id"].(string)
	line := func(status string) (id string) {
		s.until("a message is "+status, 10*time.Second, func() bool {
			entries := v.want(200, "GET", "/audit?status="+status, nil)["entries"].([]any)
			if len(entries) == 0 {
				return false
			}
			id = entries[0].(map[string]any)["id"].(string)
			return true
		})
		return id
	}
	refused := line("refused")
	v.want(409, "POST", "/audit/"+refused+"/done", nil)
	time.Sleep(2500 * time.Millisecond) // two polls, which end after a look at the listing
	v.want(202, "POST", "/audit/"+refused+"/retry", nil)
	s.arrived(1, 10*time.Second)
	s.until("it is settled", 10*time.Second, func() bool { code, _ := v.call("POST", "/audit/"+refused+"/import", nil); return code == 409 })

	// Gmail has the message, its answer is lost, and the session forgotten.
	s.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.CommitThenDrop, Last: true})
	s.gmail.Next(gmailtest.Fault{At: gmailtest.Query, Kind: gmailtest.Expire})
	deliver(t, d, "ann", 2)
	v.want(202, "POST", box+"/sync", nil)
	doubtful := line("doubtful")
	v.want(202, "POST", "/audit/"+doubtful+"/done", nil)
	deliver(t, d, "ann", 3) // so that a pass looks at each of them
	s.arrived(3, 10*time.Second)
	s.until("none is doubtful", 10*time.Second, func() bool {
		now := v.want(200, "GET", box, nil)
		return now["doubtful"] == 0.0 && now["refused"] == 0.0 && at(now, "imported", "messages") == 3.0
	})
	v.want(409, "POST", "/audit/"+doubtful+"/retry", nil)
	once(t, s.gmail.Hashes(user), truth(t, d, pop.way(d), "ann"))
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}
