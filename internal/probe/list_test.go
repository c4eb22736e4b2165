package probe

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

func TestMailboxWithoutUIDLIsToldSo(t *testing.T) {
	t.Parallel()
	got := test(t, maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{NoUIDL: true}))
	if s := last(t, got); !got.OK || !strings.Contains(s.Detail, "UIDL") {
		t.Errorf("got %+v", got)
	}
}

func TestFoldersAreListedWithTheirUse(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{
		Caps:     "IMAP4rev1 SASL-IR AUTH=PLAIN STATUS=SIZE",
		Messages: []imapd.ScriptMessage{{UID: 1, Body: "a"}},
		On: func(w *imapd.Wire, c imapd.Command) bool {
			switch {
			case c.Name == "LIST":
				w.Send("* LIST (\\HasNoChildren) \"/\" zebra\r\n* LIST (\\HasNoChildren \\sent) \"/\" Gesendet\r\n* LIST () \"/\" inbox\r\n" +
					"* LIST (\\Noselect \\Junk) \"/\" \"Un&AOQ-\"\r\n* LIST () \"/\" {5}\r\na b c\r\n* LIST () \"/\" \"\"\r\n* LIST () \"/\" notes\r\n")
			case c.Name == "STATUS" && strings.Contains(c.Args, "notes"):
				w.Send(c.Tag + " NO not a mail folder\r\n")
				return true
			case c.Name == "STATUS":
				folder, _, _ := strings.Cut(c.Args, " (")
				w.Send("* STATUS " + folder + " (MESSAGES 7 SIZE 700)\r\n")
			default:
				return false
			}
			w.OK(c)
			return true
		},
	}
	box := script(t, s)
	box.Folders = []account.Folder{{Name: "zebra"}, {Name: "hidden"}}
	got := test(t, box)
	var lines []string
	for _, f := range got.Folders {
		count := "?"
		if f.Messages != nil {
			count = fmt.Sprint(*f.Messages, "/", *f.Bytes)
		}
		lines = append(lines, fmt.Sprintf("%s %s %t %s", f.Name, f.SpecialUse, f.Selectable, count))
	}
	want := []string{`zebra  true 7/700`, `hidden  true 7/700`, `INBOX  true 7/700`, `Gesendet \Sent true 7/700`, `Unä \Junk false ?`, `a b c  true 7/700`, `notes  true ?`}
	if !slices.Equal(lines, want) || got.Messages == nil || *got.Messages != 14 || *got.Bytes != 1400 {
		t.Errorf("got %q, %+v; want %q", lines, got, want)
	}
}

func TestFoldersThatCannotBeListedAreNoReasonToFail(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]string{
		"refused": "TAG NO\r\n",
		"8 bit":   "* LIST () \"/\" \"Entw\xfcrfe\"\r\nTAG OK\r\n",
	} {
		s := &imapd.Script{On: answer("LIST", lines), Messages: []imapd.ScriptMessage{{UID: 1, Body: "four"}}}
		got := test(t, script(t, s))
		if !got.OK || last(t, got).Detail == "" || *got.Messages != 1 || *got.Bytes != 4 || len(got.Folders) != 1 || got.Folders[0].Name != "INBOX" {
			t.Errorf("%s: %+v", name, got)
		}
		if s.Saw("SELECT") || !s.Saw("EXAMINE") {
			t.Errorf("%s: the folder was not opened for reading alone: %v", name, s.Log())
		}
	}
}

func TestListOfFoldersWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	got := test(t, script(t, &imapd.Script{On: func(w *imapd.Wire, c imapd.Command) bool {
		if c.Name != "LIST" {
			return false
		}
		for i := range 20_000 {
			w.Send(fmt.Sprintf("* LIST () \"/\" folder%d\r\n", i))
		}
		w.OK(c)
		return true
	}}))
	if s := last(t, got); s.Name != "list" || s.Code != "protocol_limit" {
		t.Errorf("got %+v", s)
	}
}
