package api

import (
	"encoding/json"

	"github.com/smtp-sync/smtp-sync/server/openapi"
)

// JSON is a value of any kind.
type JSON struct{ json.RawMessage }

// Schema allows everything.
func (JSON) Schema() openapi.Schema { return openapi.Schema{} }

// Values are the settings of a rule by key.
type Values struct{ json.RawMessage }

// Schema says no more than that it is an object: what is in it is the plugin's.
func (Values) Schema() openapi.Schema { return openapi.Schema{Type: "object"} }

// MailboxIDs are ids of mailboxes; null is all.
type MailboxIDs []string

// Schema is that of a list, without a type: null is one as well.
func (MailboxIDs) Schema() openapi.Schema {
	return openapi.Schema{Nullable: true, Items: &openapi.Schema{Type: "string"}}
}
