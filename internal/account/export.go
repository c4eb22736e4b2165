package account

import (
	"encoding/json"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/plan"
)

// Export is what is held about a user, decrypted, in words of its own so that
// it stays readable when the store changes. Two things are streams beside it,
// since there may be a million of each: the lines of the audit log, and what the
// ledger remembers (Remembered).
//
// What opens something is left out, and LeftOut says so: a copy of it is one
// more place from which it can be stolen.
type Export struct {
	At      time.Time `json:"at"`
	LeftOut []string  `json:"left_out"`

	User    string      `json:"user_id"`
	Person  *Person     `json:"google_account"` // nil after a revocation
	Access  Access      `json:"google_access"`
	Profile Profile     `json:"profile"`
	Boxes   []HeldBox   `json:"mailboxes"`
	Logins  []HeldLogin `json:"sessions"`
	Tokens  []HeldToken `json:"tokens"`
	Uploads []HeldClaim `json:"uploads_under_way"`
	Days    []HeldDay   `json:"bytes_sent_by_day"` // what Gmail's budget of a week has been used for
	Asked   []HeldAsk   `json:"repeatable_requests"`

	Rules   []HeldRule   `json:"rules"`
	Modules []HeldModule `json:"uploaded_plugins"`

	Told HeldTold `json:"notices"`

	Billing *plan.Account `json:"billing,omitempty"`
}

// LeftOut is what an Export has not got.
func LeftOut() []string {
	return []string{
		"mailbox passwords and tokens, Google's refresh token, upload session addresses: sealed, and given to nobody",
		"session cookies, API tokens, idempotency keys, requests: only keyed hashes of them are kept",
		"keys, and the hashes under which a user is looked up",
		"receipts of earlier deletions: they belong to nobody",
		"the octets of plugins that you uploaded: each is downloaded by itself, from GET /api/v1/plugins/{id}/module",
	}
}

// HeldBox is a mailbox.
type HeldBox struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Protocol    string         `json:"protocol"`
	Host        string         `json:"host"`
	Port        int            `json:"port"`
	Security    string         `json:"security"`
	Username    string         `json:"username"`
	HasPassword bool           `json:"has_password"`
	Provider    string         `json:"provider,omitempty"`            // whose sign-in stands in for a password
	Connected   bool           `json:"connected,omitempty"`           // with it
	TokenEnds   time.Time      `json:"access_token_ends_at,omitzero"` // the one that is kept, sealed
	Folders     []Folder       `json:"folders"`
	Label       string         `json:"label"`
	Archive     bool           `json:"archive"`
	AfterImport string         `json:"after_import"`
	History     string         `json:"history"`
	Since       time.Time      `json:"since,omitzero"`
	NewestFirst bool           `json:"newest_first"`
	PollEvery   string         `json:"poll_every"`
	Authserv    []string       `json:"authserv"`
	Created     time.Time      `json:"created_at"`
	State       map[string]any `json:"state"`    // what is remembered between two syncs
	Messages    map[string]any `json:"messages"` // how many, by what became of them
}

// HeldLogin is a web session.
type HeldLogin struct {
	ID       string    `json:"id"`
	Client   string    `json:"client"`
	Created  time.Time `json:"created_at"`
	LastSeen time.Time `json:"last_seen_at"`
}

// HeldToken is an API token.
type HeldToken struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Scopes   []string  `json:"scopes"`
	Created  time.Time `json:"created_at"`
	Expires  time.Time `json:"expires_at"`
	LastUsed time.Time `json:"last_used_at,omitzero"`
}

// HeldClaim is a message on its way.
type HeldClaim struct {
	Mailbox  string          `json:"mailbox_id"`
	Key      string          `json:"key"`
	At       time.Time       `json:"at"`
	Domain   string          `json:"sender_domain"`
	Size     int64           `json:"size"`
	Verdict  json.RawMessage `json:"verdict"` // of the rules
	Sent     int64           `json:"sent"`    // octets, when that was last noted
	Absent   bool            `json:"absent"`  // from the last listing
	Wanted   bool            `json:"wanted"`  // by its user, whatever a rule says
	Attempts int             `json:"attempts"`
}

// HeldDay is a day's use of the budget.
type HeldDay struct {
	Day   string `json:"day"`
	Bytes int64  `json:"bytes"`
}

// HeldAsk is a request that will not be done twice.
type HeldAsk struct {
	At       time.Time `json:"at"`
	Status   int       `json:"status,omitzero"`
	Resource string    `json:"resource,omitzero"`
}

// HeldRule is a rule.
type HeldRule struct {
	ID        string          `json:"id"`
	Position  int             `json:"position"`
	Name      string          `json:"name"`
	Plugin    string          `json:"plugin"`
	Config    json.RawMessage `json:"config"`
	Mailboxes []string        `json:"mailboxes"` // nil: all
	Enabled   bool            `json:"enabled"`
	Created   time.Time       `json:"created_at"`
	Asked     int64           `json:"runs"` // messages that it was asked about
	Failed    int64           `json:"failures"`
	Fault     string          `json:"last_failure,omitempty"`
}

// Everywhere reports a rule that is for all mailboxes.
func (r HeldRule) Everywhere() bool { return r.Mailboxes == nil }

// HeldModule is a plugin that the user has uploaded.
type HeldModule struct {
	Digest   string          `json:"sha256"`
	Size     int             `json:"size"`
	Manifest json.RawMessage `json:"manifest"`
	Added    time.Time       `json:"added_at"`
}

// HeldTold is what the user was told by mail, and what he is still to be told.
type HeldTold struct {
	State     json.RawMessage `json:"told,omitempty"`
	Incidents []HeldAbout     `json:"of_mailboxes"`
	Waiting   []HeldNotice    `json:"to_be_sent"`
}

// HeldNotice is a notice that was not sent yet.
type HeldNotice struct {
	ID    string          `json:"id"`
	State json.RawMessage `json:"notice"`
	Boxes []HeldAbout     `json:"about"`
}

// HeldAbout is what it, or what was told, says of a mailbox.
type HeldAbout struct {
	Mailbox string          `json:"mailbox_id"`
	State   json.RawMessage `json:"state"`
}

// Remembered is what the ledger has of one message: two keyed hashes, of which
// nobody can tell what they were made of, and what became of it.
type Remembered struct {
	Key      string `json:"key"`
	Status   string `json:"status"`
	Day      string `json:"day"`    // since when it has this status
	Absent   bool   `json:"absent"` // from the last listing
	Wanted   bool   `json:"wanted"` // by its user, whatever a rule says
	Attempts int    `json:"attempts"`
}
