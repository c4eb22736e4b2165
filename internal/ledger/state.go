package ledger

import "github.com/smtp-sync/smtp-sync/internal/mail"

// StateOf gives the ledger state of a status. Statuses are a closed set.
func StateOf(s mail.Status) State {
	switch s {
	case mail.Imported:
		return Imported
	case mail.Skipped:
		return Skipped
	case mail.Rejected:
		return Refused
	case mail.Doubtful:
		return Doubtful
	case mail.Failed:
		return Failed
	}
	panic("ledger: unknown status " + string(s))
}

// Status gives the status of a state that is an outcome; "" for Claimed.
func (s State) Status() mail.Status {
	switch s {
	case Imported:
		return mail.Imported
	case Skipped:
		return mail.Skipped
	case Refused:
		return mail.Rejected
	case Doubtful:
		return mail.Doubtful
	case Failed:
		return mail.Failed
	}
	return ""
}
