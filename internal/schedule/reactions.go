package schedule

import (
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// reaction is what a kind of failure does to a mailbox. It is Waiting first and
// Failing once its user should know.
type reaction struct {
	first, last time.Duration // the pause, doubled with every failure in a row
	slow        time.Duration // the pause once it is Failing; 0: goes on doubling
	full        bool          // full jitter: many mailboxes fail like this together
	exact       bool          // a time that is named is obeyed as it is, and not made longer
	user        bool          // once it is Failing only the user can help: nothing is tried

	tries  int           // Failing with so many in a row; 0: never by number
	within time.Duration // so many within this time; later ones begin a new row; 0: no limit
	after  time.Duration // Failing when the row is this long; 0: never by time

	dated bool // its Help says when it goes on
}

// reactions are tried from the top: the first row with the class, and with the
// code if the row names some. The sources of the figures are RFC 2449 8.1,
// RFC 3206, RFC 5530 and what providers were seen to do.
var reactions = []struct {
	class mail.Class
	codes []string // nil: all others
	reaction
}{
	// Somebody else has the maildrop open: ordinary, unless it stays so.
	{mail.RateLimited, []string{"mailbox_locked"}, lock},
	{mail.Transient, []string{"in_use"}, lock},

	// Our own budgets, and Gmail's refusals: an ordinary state, for hours if
	// need be, that ends by itself at a known time.
	{mail.RateLimited, []string{"budget", "gmail_busy"}, reaction{first: time.Minute, last: time.Hour, exact: true, dated: true}},
	// Gmail named no time. The budget's own hold grows to about a minute and
	// counts in the same row, so this must end soon after Gmail takes mail again.
	{mail.RateLimited, []string{"gmail_rate"}, reaction{first: time.Minute, last: 15 * time.Minute, exact: true}},
	{mail.RateLimited, []string{"host_busy"}, reaction{first: time.Minute, last: time.Hour, exact: true}},
	{mail.RateLimited, []string{"login_delay"}, reaction{first: time.Minute, last: time.Hour, exact: true, after: 24 * time.Hour}},
	// A mail server that counts logins or connections counts over 5 to 15
	// minutes; trying earlier starts its window again.
	{mail.RateLimited, nil, reaction{first: 15 * time.Minute, last: time.Hour, after: 24 * time.Hour}},

	// A provider has ended what it gave, or its user has not given it yet: nothing
	// but a visit to the provider's page helps.
	{mail.Login, []string{"consent_gone", "consent_missing", "consent_too_small"}, reaction{tries: 1, user: true}},
	// The server said what is wrong, and that only a person can put it right,
	// at the provider's perhaps: looked at once a day.
	{mail.Login, []string{
		"oauth_required", "app_password_required", "web_login_required",
		"not_authorized", "password_expired", "password_required", "contact_admin", "login_refused",
	}, reaction{tries: 1, slow: 24 * time.Hour}},
	// A refusal without a code: as likely a limit as a wrong password.
	{mail.Login, []string{"auth_unclear"}, reaction{first: 20 * time.Minute, last: 40 * time.Minute, tries: 3, within: 3 * time.Hour, slow: 24 * time.Hour}},
	// Some hosts report too many connections as a wrong password: once more,
	// later. More often would lock the account.
	{mail.Login, nil, reaction{first: 5 * time.Minute, last: 5 * time.Minute, tries: 2, within: time.Hour, slow: 24 * time.Hour}},

	// The operator's to repair, and nobody tells us when it is done.
	{mail.Grant, []string{"grant_api_disabled"}, repair},
	{mail.Grant, nil, reaction{tries: 1, user: true}},
	{mail.Revoked, nil, reaction{tries: 1, user: true}},

	// Certificates, TLS, names: often put right by the provider.
	{mail.Setup, nil, repair},
	// A server that does not speak its protocol, today or at all.
	{mail.Protocol, nil, reaction{first: 5 * time.Minute, last: 6 * time.Hour, tries: 3}},
}

var (
	lock   = reaction{first: time.Minute, last: 15 * time.Minute, after: time.Hour}
	repair = reaction{first: 30 * time.Minute, last: 6 * time.Hour, tries: 1}
	// outage is for everything else: network, servers that are down.
	outage = reaction{first: 30 * time.Second, last: 30 * time.Minute, full: true, after: 24 * time.Hour}
)

func reactionTo(f *mail.Fault) reaction {
	for _, row := range reactions {
		if row.class == f.Class && (row.codes == nil || slices.Contains(row.codes, f.Code)) {
			return row.reaction
		}
	}
	return outage
}

// failing reports whether the user should know.
func (r reaction) failing(s State, now time.Time) bool {
	return r.tries > 0 && s.Failures >= r.tries || r.after > 0 && now.Sub(s.First) >= r.after
}
