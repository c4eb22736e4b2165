package notify

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Memory is what is remembered of what a user was told.
type Memory struct {
	Told
	Incidents map[id.Mailbox]Incident
	Outbox    []Notice // made and not delivered, the oldest first
}

// Told is the part that is about no mailbox.
type Told struct {
	Day   time.Time `json:"day,omitzero"`   // when the count of mails began
	Mails int       `json:"mails,omitzero"` // since then, those that count

	Morning time.Time `json:"morning,omitzero"` // when the next digest goes out; zero: there is nothing for it

	Clients  map[string]time.Time `json:"clients,omitempty"`   // digests of the browsers that have signed in, and when they did last
	SignedIn time.Time            `json:"signed_in,omitzero"`  // sign-ins up to this one are dealt with
	Inactive time.Time            `json:"inactive,omitzero"`   // since when nothing is synced
	Warned   time.Time            `json:"warned,omitzero"`     // when its user was told so: his mail server has taken it
	Blocked  string               `json:"blocked,omitempty"`   // why no mail is sent to him: "bounce", "spam", "blocked"
	BlockAt  time.Time            `json:"blocked_at,omitzero"` // since when
}

// Incident is what is remembered of one mailbox.
type Incident struct {
	Trouble Trouble   `json:"trouble,omitempty"` // None: it works, as far as its user is concerned
	Group   string    `json:"group,omitempty"`   // of incidents that are told as one
	Code    string    `json:"code,omitempty"`    // of the reason
	Since   time.Time `json:"since,omitzero"`    // the first failure
	Opened  time.Time `json:"opened,omitzero"`   // proven
	Told    time.Time `json:"told,omitzero"`     // dealt with, by a mail or by none
	Silent  bool      `json:"silent,omitzero"`   // by none
	Ended   time.Time `json:"ended,omitzero"`    // it works again, and others of its group do not yet
	Remind  int       `json:"reminders,omitzero"`

	Failures int       `json:"failures,omitzero"`  // as seen last
	FailedAt time.Time `json:"failed_at,omitzero"` // when that was

	Changes  []time.Time `json:"changes,omitempty"` // openings and ends within a day
	Folded   bool        `json:"folded,omitzero"`   // into the next digest
	Refused  int64       `json:"refused,omitzero"`  // that a digest has told of
	Doubtful int64       `json:"doubtful,omitzero"` // that a digest has told of
}

// empty reports that there is nothing to remember.
func (i Incident) empty() bool {
	return i.Trouble == None && i.Failures == 0 && len(i.Changes) == 0 && !i.Folded && i.Refused == 0 && i.Doubtful == 0
}
