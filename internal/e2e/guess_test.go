package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// TestAddingOneMailboxAfterTheOtherIsGuessing: what the engine tries counts
// with what the connection test tries, whoever's user name it is tried with.
func TestAddingOneMailboxAfterTheOtherIsGuessing(t *testing.T) {
	t.Parallel()
	pop := popWith(t, nil, three()...)
	s := open(t, gmailtest.Options{})
	s.installation.at("pop3s", "ann", password, pop.port, pop.ca)
	s.start()
	v := visit(t, s)
	v.signIn(user)
	v.grant(user, gmailtest.ScopeInsert)
	def := map[string]any{"name": "x", "protocol": "pop3", "host": "127.0.0.1", "port": pop.port, "security": "tls", "password": "guess", "history": "all"}
	box, refused := "", 0
	for i := 1; i < 60 && refused == 0; i++ {
		def["username"] = fmt.Sprint("ann", i)
		code, said := v.call("POST", "/mailboxes", def)
		switch code {
		case 201:
			box = "/mailboxes/" + said["id"].(string)
			s.until("the engine has tried it", 20*time.Second, func() bool { return v.want(200, "GET", box, nil)["reason"] != nil })
		case 429:
			refused = i
			if said["code"] != "too_many_guesses" {
				t.Errorf("%v", said)
			}
		default:
			t.Fatalf("%d %v", code, said)
		}
	}
	if n := pop.Seen("PASS"); refused == 0 || n > 22 {
		t.Errorf("refused at mailbox %d, the server has seen %d guesses", refused, n)
	}
	if code, said := v.call("PATCH", box, map[string]any{"password": password}); code != 429 {
		t.Errorf("another password for one that is there: %d %v", code, said)
	}
	if code, said := v.call("POST", "/mailboxes/test", def); code != 429 || said["code"] != "too_many_guesses" {
		t.Errorf("the connection test: %d %v", code, said)
	}
	v.want(200, "PATCH", box, map[string]any{"name": "y"}) // no password, no guess
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}
