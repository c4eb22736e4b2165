package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
)

// RulePut is a rule as it is to be.
type RulePut struct {
	Name      string     `json:"name" doc:"What you call it, at most 100 characters."`
	Plugin    string     `json:"plugin" doc:"The id of one in GET /plugins."`
	Config    *Values    `json:"config,omitempty" doc:"A value for each of the plugin's settings; a setting that is left out has its default."`
	Mailboxes MailboxIDs `json:"mailboxes,omitempty" doc:"For these alone; null or left out: for all, later ones too."`
	Enabled   *bool      `json:"enabled,omitempty" doc:"True if left out."`
	Position  *int       `json:"position,omitempty" doc:"From 1: rules are asked in this order, and those behind it move on. Left out: where it is, a new one at the end."`
}

// Rule is a rule.
type Rule struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Plugin    string     `json:"plugin" doc:"The id of one in GET /plugins."`
	Config    Values     `json:"config"`
	Mailboxes MailboxIDs `json:"mailboxes" doc:"For these alone; null: for all."`
	Enabled   bool       `json:"enabled"`
	Position  int        `json:"position" doc:"From 1."`
	CreatedAt time.Time  `json:"created_at"`
	Runs      RuleRuns   `json:"runs"`
}

// RuleRuns is how a rule has done since it was made.
type RuleRuns struct {
	Messages    int64  `json:"messages" doc:"It was asked about."`
	Failures    int64  `json:"failures" doc:"Of these; such mail is imported as if the rule were not there."`
	LastFailure string `json:"last_failure,omitempty" doc:"What kind of failure the last one was, such as trap or out_of_fuel."`
}

// Rules is a page of rules.
type Rules struct {
	Rules      []Rule `json:"rules"`
	NextCursor string `json:"next_cursor,omitempty"`
}

// RuleTry asks a rule about the newest messages of a mailbox.
type RuleTry struct {
	Mailbox  string `json:"mailbox"`
	Messages *int   `json:"messages,omitempty" doc:"At most so many, from 1 to 50; 20 if left out."`
}

// RuleTried is what a rule said of each message, the newest first.
type RuleTried struct {
	Messages []TriedMessage `json:"messages"`
}

// TriedMessage is what a rule said of a message. Who may write rules need not
// see mail: nothing of it is here but what the audit would have.
type TriedMessage struct {
	Tried
	SenderDomain string    `json:"sender_domain"`
	At           time.Time `json:"at,omitzero" doc:"When the server got it, or what its Date says."`
	Size         int64     `json:"size" doc:"Octets, as the server announces them."`
	Failure      string    `json:"failure,omitempty" doc:"How the plugin failed, such as trap or out_of_fuel: then it is imported as if the rule were not there."`
}

// Check gives how many messages are wanted.
func (t RuleTry) Check(most int) (n int, err error) {
	var f faults
	f.required("mailbox", t.Mailbox, "take the id from GET /mailboxes")
	if n = 20; t.Messages != nil {
		n = *t.Messages
	}
	if n < 1 || n > most {
		f.add("messages", "messages_range", fmt.Sprintf("it is not from 1 to %d", most), "")
	}
	return n, Invalid(f...)
}

// Check gives the rule and its position; 0: where it is. The settings are
// checked against the plugin, which is not known here.
func (p RulePut) Check() (r rules.Rule, position int, err error) {
	var f faults
	name := strings.TrimSpace(p.Name)
	if f.required("name", name, "anything by which you know it again") {
		f.text("name", name, 100)
	}
	f.required("plugin", p.Plugin, "the id of one in GET /plugins")
	r = rules.Rule{Name: name, Plugin: p.Plugin, Config: json.RawMessage(`{}`), Everywhere: p.Mailboxes == nil, Enabled: p.Enabled == nil || *p.Enabled}
	if p.Config != nil && len(p.Config.RawMessage) > 0 {
		var compact bytes.Buffer
		if err := json.Compact(&compact, p.Config.RawMessage); err != nil || compact.Bytes()[0] != '{' {
			f.add("config", "config_invalid", "it is no object", "send an object with a value for each setting")
		}
		r.Config = compact.Bytes()
	}
	seen := map[id.Mailbox]bool{}
	for i, text := range p.Mailboxes {
		box, err := id.Parse[id.Mailbox](text)
		if err != nil {
			f.add(fmt.Sprintf("mailboxes[%d]", i), "mailbox_unknown", "there is no such mailbox", "take the id from GET /mailboxes")
		} else if !seen[box] {
			seen[box] = true
			r.Mailboxes = append(r.Mailboxes, box)
		}
	}
	if p.Position != nil {
		if position = *p.Position; position < 1 {
			f.add("position", "position_range", "positions count from 1", "")
		}
	}
	return r, position, Invalid(f...)
}
