// Package rules holds what users want done with their mail by its header: rules,
// each a plugin with settings, in an order, and the modules that they have
// uploaded as plugins of their own. It runs none of them.
//
// A store of rules keeps these promises (rulestest proves them):
//   - the order has no gaps and no two in one place, whatever was put or dropped;
//   - a module is one file: uploaded again it is the one that is there;
//   - a module that a rule uses is not dropped;
//   - there are at most [Max] rules and [MaxModules] modules;
//   - a rule that is for some mailboxes loses one that is wiped, and is for none
//     when it was the last: never for all.
package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Limits of one user. Rules bound what a message costs: each takes at most a
// plugin's fuel.
const (
	Max        = 20
	MaxModules = 5
)

// Errors of a store, besides account.ErrNone for what is not there.
var (
	ErrTooMany error = &mail.Fault{Class: mail.Setup, Code: "too_many_rules",
		Text: "there are 20 rules, and that is the most", Help: "delete one, or put two together: a list takes thousands of entries"}
	ErrTooManyModules error = &mail.Fault{Class: mail.Setup, Code: "too_many_plugins",
		Text: "there are 5 uploaded plugins, and that is the most", Help: "delete one that no rule uses"}
	ErrInUse error = &mail.Fault{Class: mail.Setup, Code: "plugin_in_use",
		Text: "a rule uses this plugin", Help: "delete the rule first, or give it another plugin"}
)

// Digest names a module: SHA-256 of the file.
type Digest [sha256.Size]byte

// Sum gives the digest of a module.
func Sum(wasm []byte) Digest { return sha256.Sum256(wasm) }

// ParseDigest reads what String gives, and nothing else.
func ParseDigest(s string) (d Digest, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return d, false
	}
	d = Digest(b)
	return d, d.String() == s
}

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Module is a plugin that a user has uploaded.
type Module struct {
	Digest   Digest
	Manifest json.RawMessage // as it is in the module
	Wasm     []byte          // nil in lists
	Size     int             // octets of Wasm
	Added    time.Time       // made by the store
}

// Rule is a plugin with settings.
type Rule struct {
	ID         id.Rule // made by the store
	Name       string  // what the user calls it
	Plugin     string  // name of a shipped one, or the text of a Digest
	Config     json.RawMessage
	Everywhere bool         // for all mailboxes
	Mailboxes  []id.Mailbox // else for these
	Enabled    bool
	Created    time.Time // made by the store

	Runs // since it was made
}

// Runs is how often a rule was asked about a message, and how it went.
type Runs struct {
	Asked  int64
	Failed int64
	Fault  string // plugins.Class of the last failure; "" if there was none
}

// For reports whether the rule is asked about the mail of a mailbox.
func (r *Rule) For(box id.Mailbox) bool {
	return r.Enabled && (r.Everywhere || slices.Contains(r.Mailboxes, box))
}

// Place gives the order after a rule was put at a position, which counts from
// 1: beyond the end is the end, and 0 is where the rule was, or the end for one
// that is new.
func Place(order []id.Rule, r id.Rule, at int) []id.Rule {
	out := slices.Clone(order)
	was := slices.Index(out, r)
	if was >= 0 {
		out = slices.Delete(out, was, was+1)
	}
	switch {
	case at <= 0 && was >= 0:
		at = was
	case at <= 0 || at > len(out):
		at = len(out)
	default:
		at--
	}
	return slices.Insert(out, at, r)
}
