package schedule

import (
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// faultOf gives the Fault of a pass. Whatever else went wrong is ours: the
// operator's log has it, and its text is not for users.
func faultOf(err error) *mail.Fault {
	if f, ok := mail.AsFault(err); ok && f != nil {
		return f
	}
	return &mail.Fault{Class: mail.Transient, Code: "internal", Text: "something went wrong inside smtp-sync", Help: "the operator's log says more"}
}

// reason says what is wrong, what to do, and when it goes on.
func reason(f *mail.Fault, r reaction, s State) Reason {
	why := Reason{Code: f.Code, Detail: f.Detail(), Help: f.Help}
	if why.Code == "" {
		why.Code = "internal"
	}
	if why.Detail == "" {
		why.Detail = "the last sync did not go through"
	}
	switch {
	case s.Until.IsZero(): // the user's turn
		if why.Help == "" {
			why.Help = "correct the settings of the mailbox, then sync it by hand"
		}
		return why
	case r.dated:
		return why
	case s.Phase == Failing && r.after > 0:
		why.Detail += "; so since " + stamp(s.First)
	}
	// "It is tried again" is better said with the time.
	help, rest, _ := strings.Cut(why.Help, "; ")
	switch {
	case help == "" || promise(help):
		why.Help = rest
	case promise(rest):
		why.Help = help
	}
	if why.Help != "" {
		why.Help += "; "
	}
	why.Help += "it is tried again at " + stamp(s.Until)
	return why
}

// promise reports a remedy that is none.
func promise(help string) bool {
	for _, p := range []string{"it is tried again", "they are tried again", "it goes on", "the next attempt"} {
		if strings.HasPrefix(help, p) {
			return true
		}
	}
	return false
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
