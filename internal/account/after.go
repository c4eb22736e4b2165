package account

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// After is what happens to the original of a message that is in Gmail.
type After struct {
	Do     string // "leave", "seen", "delete", "move"
	Days   int    // delete: so many whole days after the import; 0: at once
	Folder string // move: where to
}

const (
	maxDays   = 3650
	maxFolder = 255 // characters
)

// Afters are the ways to write one; N is a number of days, F a folder.
var Afters = []string{"leave", "seen", "delete", "delete_after:Nd", "move:F"}

// ParseAfter reads what Mailbox.AfterImport says, or gives a *mail.Fault. Only
// what String writes is read.
func ParseAfter(s string) (a After, err error) {
	kind, value, valued := strings.Cut(s, ":")
	switch {
	case !valued && (s == "leave" || s == "seen" || s == "delete"):
		return After{Do: s}, nil
	case valued && kind == "delete_after":
		n, err := strconv.Atoi(strings.TrimSuffix(value, "d"))
		if a = (After{Do: "delete", Days: n}); err != nil || n < 1 || n > maxDays || a.String() != s {
			return After{}, afterFault("after_import_days", "this is no number of days", fmt.Sprintf("write delete_after:30d, with 1 to %d days", maxDays))
		}
		return a, nil
	case valued && kind == "move":
		if value == "" || utf8.RuneCountInString(value) > maxFolder || !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return After{}, afterFault("after_import_folder", "this is no name of a folder", "write move: and the folder, such as move:Archive")
		}
		return After{Do: "move", Folder: value}, nil
	}
	return After{}, afterFault("after_import_unknown", "it is none of "+strings.Join(Afters, ", "), "")
}

func afterFault(code, text, help string) error {
	return &mail.Fault{Class: mail.Setup, Code: code, Text: text, Help: help}
}

// String writes it as ParseAfter reads it.
func (a After) String() string {
	switch {
	case a.Do == "move":
		return "move:" + a.Folder
	case a.Days > 0:
		return "delete_after:" + strconv.Itoa(a.Days) + "d"
	}
	return a.Do
}

// Fits refuses what the protocol cannot do, and a move from a folder to itself.
func (a After) Fits(protocol string, folders []Folder) error {
	switch {
	case protocol == "pop3" && a.Do == "seen":
		return afterFault("needs_imap", "POP3 does not know which mail is seen", "choose leave or delete")
	case protocol == "pop3" && a.Do == "move":
		return afterFault("needs_imap", "POP3 has no folders", "choose leave or delete")
	case a.Do != "move":
		return nil
	}
	if len(folders) == 0 {
		folders = []Folder{{Name: "INBOX"}}
	}
	for _, f := range folders {
		if f.Name == a.Folder || strings.EqualFold(f.Name, "INBOX") && strings.EqualFold(a.Folder, "INBOX") {
			return afterFault("after_import_folder", "mail is read from this folder", "choose another for what is in Gmail already")
		}
	}
	return nil
}
