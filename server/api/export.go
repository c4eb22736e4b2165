package api

import (
	"encoding/json"
	"time"

	"github.com/smtp-sync/smtp-sync/server/openapi"
)

// Export is everything that is held about a user, decrypted.
type Export struct {
	At        time.Time `json:"at"`
	Me        Me        `json:"me"`
	Mailboxes []Mailbox `json:"mailboxes"`
	Tokens    []Token   `json:"tokens"`
	Sessions  []SignIn  `json:"sessions"`
	Held      Held      `json:"held" doc:"What the page of everything that is held about me shows, with what is not in the parts above; its names are no promise."`
	Ledger    []Known   `json:"ledger" doc:"What is remembered of each message that has ended, so that it does not come twice."`
	Audit     []Entry   `json:"audit" doc:"All lines, newest first. It comes last."`
}

// Known is what is remembered of one message: two keyed hashes, of which nobody
// can tell what they were made of, and what became of it.
type Known struct {
	MailboxID string `json:"mailbox_id"`
	Key       string `json:"key"`
	Status    string `json:"status"`
	Absent    bool   `json:"absent" doc:"From the last listing of the mailbox."`
	Wanted    bool   `json:"wanted" doc:"Its user wants it, whatever a rule says."`
	Attempts  int    `json:"attempts" doc:"That failed."`
}

// Held is the store's own picture of a user, whose parts are no promise of the
// API.
type Held struct{ json.RawMessage }

// Schema says no more than that it is an object.
func (Held) Schema() openapi.Schema { return openapi.Schema{Type: "object"} }
