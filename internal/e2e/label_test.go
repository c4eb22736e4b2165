package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// TestFoldersBecomeLabels: what a folder holds gets the folder's label and the
// mailbox's. Without the permission for labels the mailbox waits, says so, and
// Gmail is asked nothing; with it the mail comes by itself.
func TestFoldersBecomeLabels(t *testing.T) {
	t.Parallel()
	d := sharedDovecot(t)
	name := d.user(t, [][]byte{testkit.Message(1)})
	for folder, n := range map[string]uint64{"Old mail/2001": 2, "Plain": 3, "Nobody asked": 4} {
		if err := d.Deliver(name, folder, testkit.Message(n)); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, gmailtest.Options{})
	m := s.at(d.Server, history{"imaps", "leave"}, name)
	s.start()
	v := visit(t, s)
	v.signIn(user)
	v.grant(user, gmailtest.ScopeInsert)
	made := v.want(201, "POST", "/mailboxes", map[string]any{"name": name, "protocol": "imap", "host": m.Host, "port": m.Port,
		"security": "tls", "username": name, "password": password, "after_import": "leave", "history": "all", "label": "All",
		"folders": []map[string]any{{"name": "inbox", "label": "In"}, {"name": "Old mail/2001", "label": "Old/2001"}, {"name": "Plain"}}})
	box := "/mailboxes/" + made["id"].(string)
	s.until("the mailbox says what it waits for", 20*time.Second, func() bool {
		now := v.want(200, "GET", box, nil)
		return now["state"] == "failing" && at(now, "reason", "code") == "grant_scope_labels" && at(now, "reason", "help") != ""
	})
	if st := s.gmail.Stats(); st.Requests[gmailtest.Label]+st.Requests[gmailtest.Open] != 0 {
		t.Errorf("Gmail was asked for %v without the permission", st.Requests)
	}

	v.grantLabels(user)
	s.arrived(3, 20*time.Second)
	names := map[string]string{}
	for label, id := range s.gmail.Labels(user) {
		names[id] = label
	}
	var got []string
	for _, stored := range s.gmail.Messages(user) {
		var labels []string
		for _, id := range stored.Labels {
			if names[id] != "" {
				labels = append(labels, names[id])
			}
		}
		slices.Sort(labels)
		got = append(got, strings.Join(labels, ", "))
	}
	slices.Sort(got)
	if want := []string{"All", "All, In", "All, Old/2001"}; !slices.Equal(got, want) {
		t.Errorf("labels of the messages = %q, want %q", got, want)
	}
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}
