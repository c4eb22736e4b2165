package e2e

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// TestDeletingAMailboxStopsItsUpload: the receipt comes while Gmail is still
// being waited for, and the message never gets there.
func TestDeletingAMailboxStopsItsUpload(t *testing.T) {
	t.Parallel()
	var large bytes.Buffer
	if _, err := copyTo(&large, testkit.Big(20_000_000, 2)); err != nil {
		t.Fatal(err)
	}
	pop := popWith(t, nil, large.Bytes())
	s := open(t, gmailtest.Options{})
	s.installation.at("pop3s", "ann", password, pop.port, pop.ca)
	s.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Delay, DelayMS: 60_000, Times: 1})
	s.start()
	v := visit(t, s)
	v.signIn(user)
	v.grant(user, gmailtest.ScopeInsert)
	made := v.want(201, "POST", "/mailboxes", map[string]any{"name": "ann's", "protocol": "pop3", "host": "127.0.0.1", "port": pop.port,
		"security": "tls", "username": "ann", "password": password, "after_import": "delete", "history": "all"})
	s.until("an upload hangs", 10*time.Second, func() bool { return s.gmail.Stats().Requests[gmailtest.Put] > 0 })
	begun := time.Now()
	gone := v.want(200, "DELETE", "/mailboxes/"+made["id"].(string), nil)
	if took := time.Since(begun); at(gone, "receipt", "key_destroyed") != true || took > 20*time.Second { // the upload would take 60 s
		t.Errorf("after %v: %v", took, gone)
	}
	t.Logf("the receipt came after %v", time.Since(begun).Round(time.Millisecond))
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	if n, left := total(s.gmail.Hashes(user)), pop.drop.Len(); n != 0 || left != 1 {
		t.Errorf("%d messages in Gmail, %d at the source; want 0, 1", n, left)
	}
}
