package account

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Person is who signed in, as Google names them. It came from Google and goes
// when the grant is revoked; the next sign-in brings it again.
type Person struct {
	Sub   string `json:"sub"`
	Email string `json:"email"`
}

// Profile is what a user chose.
type Profile struct {
	Created  time.Time       `json:"created_at"` // made by the store
	Locale   string          `json:"locale"`     // a language tag; "": none was chosen
	TimeZone string          `json:"time_zone"`  // a name of the IANA database; ""
	Notices  json.RawMessage `json:"notices"`    // an object: which notices are wanted; nil: as it comes
}

const maxNotices = 4 << 10

// Check refuses a profile that is not to be kept.
func (p Profile) Check() error {
	if p.Notices == nil {
		return nil
	}
	var object map[string]json.RawMessage
	if len(p.Notices) > maxNotices || json.Unmarshal(p.Notices, &object) != nil || object == nil {
		return &mail.Fault{Class: mail.Setup, Code: "notices", Text: "the notice settings are not an object of at most 4 KiB"}
	}
	return nil
}

// SignUp says who may become a user.
type SignUp struct {
	Rule   string   // "first": who signs in first owns the installation; "list"; "open"
	Emails []string // for "list"
}

// Admits tells whether this person may, as far as that does not depend on who
// there is already: with "first", the store decides as it makes the user.
func (s SignUp) Admits(p Person) error {
	listed := func(e string) bool { return strings.EqualFold(strings.TrimSpace(e), p.Email) }
	switch {
	case s.Rule == "open", s.Rule == "first":
		return nil
	case s.Rule == "list" && p.Email != "" && slices.ContainsFunc(s.Emails, listed):
		return nil
	case s.Rule == "list":
		return ErrClosed
	}
	panic(fmt.Sprintf("account: sign-up rule %q", s.Rule))
}

// ErrClosed is what somebody is answered with who may not become a user here.
var ErrClosed error = &mail.Fault{Class: mail.Setup, Code: "signup_closed",
	Text: "this installation takes no new users",
	Help: "sign in with the Google account that owns it, or ask its operator to add yours to SMTPSYNC_SIGNUP_EMAILS"}
