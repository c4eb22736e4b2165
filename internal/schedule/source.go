package schedule

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/provider"
)

const (
	// patience is how often in a row a source may fail to do what was asked of it
	// (delete, move, flag) before it is asked no more: a connection that is cut
	// between yes and done looks the same once.
	patience = 3
	// askedAgain is when it is asked all the same: providers have settings.
	askedAgain = 24 * time.Hour
)

// Withheld reports whether nothing is to be asked of the source in this pass
// but its mail: it has not done it before. An import needs nothing of that, and
// a server that keeps what it was told to delete is not told in each pass.
func (p Policy) Withheld(s State, now time.Time) bool {
	return s.Undone >= patience && now.Sub(s.Asked).Abs() < askedAgain
}

// source is a state after a pass that went through, with what is to be said of
// what the source was asked for. Where it refuses, at once; where it says yes
// and does nothing, when that is no accident any more.
func (p Policy) source(s State, set Settings, o Outcome) State {
	if o.Unasked {
		if s.Phase != Idle || s.Reason.Code == "" || s.Reason.Code == "budget" { // something else was said since
			s.Reason = Reason{Code: "source_undone", Detail: "the mail server does not do with the originals what was chosen for this mailbox", Help: sentence(new(mail.Fault))}
		}
		return s
	}
	s.Reason = Reason{}
	if o.Undone == nil {
		s.Undone, s.Asked = 0, time.Time{}
		return s
	}
	s.Undone, s.Asked = min(s.Undone+1, patience), o.Now
	if known := provider.For(set.Host, set.Protocol).Keeps; known != "" && o.Undone.Code == ignoredCode {
		s.Undone = patience // nothing has to be found out
		better := *o.Undone
		better.Help = known
		o.Undone = &better
	}
	if s.Undone == patience || o.Undone.Code != ignoredCode {
		s.Reason = Reason{Code: o.Undone.Code, Detail: o.Undone.Text, Help: sentence(o.Undone)}
	}
	return s
}

// ignoredCode is that of a source that says yes and does nothing.
const ignoredCode = "delete_ignored"

func sentence(f *mail.Fault) string {
	const rest = "mail is imported as it comes, and the source is asked again once a day"
	if f.Help == "" {
		return rest
	}
	return f.Help + "; " + rest
}
