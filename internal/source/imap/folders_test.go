package imap

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

func TestFolderThatCannotBeConfiguredIsNotListed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"INBOX": true, "Entwürfe": true, strings.Repeat("a", maxName): true,
		"": false, "a\r\nb": false, "a\x00": false, "\xff": false, strings.Repeat("a", maxName+1): false,
	} {
		if l, ok := listedFolder(&imap.ListData{Mailbox: name}); ok != want || ok && (l.Name != name || !l.Selectable || l.Messages != -1) {
			t.Errorf("%q: %+v, %t; want %t", name, l, ok, want)
		}
	}
}

func TestSpecialUseIsReadInAnySpelling(t *testing.T) {
	t.Parallel()
	for attrs, want := range map[string]Listed{
		`\HasNoChildren \sent`:   {Use: `\Sent`, Selectable: true},
		`\JUNK`:                  {Use: `\Junk`, Selectable: true},
		`\Noselect \Trash`:       {Use: `\Trash`},
		`\NonExistent`:           {},
		`\Important \Evil{5}<b>`: {Selectable: true},
	} {
		data := imap.ListData{Mailbox: "inbox"}
		for a := range strings.FieldsSeq(attrs) {
			data.Attrs = append(data.Attrs, imap.MailboxAttr(a))
		}
		want.Name, want.Messages, want.Octets = "INBOX", -1, -1
		if got, ok := listedFolder(&data); !ok || got != want {
			t.Errorf("%s: %+v, want %+v", attrs, got, want)
		}
	}
}
