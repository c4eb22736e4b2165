package account

import (
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestSourcePoliciesAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]After{
		"leave": {Do: "leave"}, "seen": {Do: "seen"}, "delete": {Do: "delete"},
		"delete_after:1d": {Do: "delete", Days: 1}, "delete_after:3650d": {Do: "delete", Days: 3650},
		"move:Archive": {Do: "move", Folder: "Archive"}, "move:a:b/c d": {Do: "move", Folder: "a:b/c d"},
	} {
		got, err := ParseAfter(s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "burn", "leave:", "delete:1d", "delete_after", "delete_after:", "delete_after:30", "delete_after:0d", "delete_after:-1d",
		"delete_after:+1d", "delete_after:01d", "delete_after:3651d", "delete_after:1dd", "delete_after:1h", "move", "move:", "move:a\nb", "move:" + strings.Repeat("x", 256), "Delete"} {
		if got, err := ParseAfter(s); mail.ClassOf(err) != mail.Setup || err == nil {
			t.Errorf("%q is taken for %+v", s, got)
		}
	}
}

func TestAPolicyThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		after, protocol string
		folders         []Folder
		ok              bool
	}{
		{"seen", "pop3", nil, false}, {"move:A", "pop3", nil, false}, {"delete_after:9d", "pop3", nil, true},
		{"move:inbox", "imap", nil, false}, {"move:A", "imap", nil, true},
		{"move:A", "imap", []Folder{{Name: "B"}, {Name: "A"}}, false}, {"move:INBOX", "imap", []Folder{{Name: "A"}}, true},
	} {
		a, err := ParseAfter(c.after)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Fits(c.protocol, c.folders); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
