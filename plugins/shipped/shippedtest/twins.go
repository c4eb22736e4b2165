// Package shippedtest holds the shipped rules once more, in plain Go, and what they
// are measured with.
package shippedtest

import (
	"strings"

	"github.com/smtp-sync/smtp-sync/plugins/sdk"
)

// Twins are the shipped rules in Go: written from what the rules promise, not from
// their text.
var Twins = map[string]sdk.Plugin{
	"skip-domains": {Filter: func(m sdk.Message) sdk.Verdict {
		if m.In(sdk.FromDomain, "domains") {
			return sdk.Skip.Because(1)
		}
		return sdk.Keep
	}},
	"label-by-list-id": {Filter: func(m sdk.Message) sdk.Verdict {
		id, under := m.Field(sdk.ListID), m.Text("under")
		if under != "" {
			under = strings.TrimSuffix(under, "/") + "/"
		}
		if id == "" || !m.Label(under+id) {
			return sdk.Keep
		}
		return archived(m, sdk.Keep)
	}},
	"label-by-domain": {Filter: func(m sdk.Message) sdk.Verdict {
		if m.Text("domains") != "" && !m.In(sdk.FromDomain, "domains") {
			return sdk.Keep
		}
		label := m.Text("label")
		if label == "" {
			label = m.Field(sdk.FromDomain)
		}
		if label == "" || !m.Label(label) {
			return sdk.Keep
		}
		return archived(m, sdk.Keep)
	}},
	"skip-newsletters": {Filter: func(m sdk.Message) sdk.Verdict {
		if m.Field(sdk.ListUnsubscribe) == "" && m.Field(sdk.Precedence) != "bulk" || m.In(sdk.FromDomain, "keep") {
			return sdk.Keep
		}
		if post, _ := m.Header("List-Post", 0); post != "" && !strings.HasPrefix(post, "NO") {
			return sdk.Keep // a list that one can write to
		}
		return action(m)
	}},
	"size-limit": {Configure: needs("limit"), Filter: func(m sdk.Message) sdk.Verdict {
		if m.Number(sdk.Size) > m.Int("limit") {
			return action(m)
		}
		return sdk.Keep
	}},
	"subject-regex": {
		Configure: func(s sdk.Settings) int32 {
			if s.Text("action") == "label" && s.Text("label") == "" {
				return 1
			}
			return 0
		},
		Filter: func(m sdk.Message) sdk.Verdict {
			if m.Matches(sdk.Subject, "pattern") {
				return action(m)
			}
			return sdk.Keep
		},
	},
	"only-from": {Configure: needs("domains", "addresses"), Filter: func(m sdk.Message) sdk.Verdict {
		if listed(m) {
			return sdk.Keep
		}
		return action(m)
	}},
	"mark-important-from": {Filter: func(m sdk.Message) sdk.Verdict {
		switch {
		case !listed(m):
			return sdk.Keep
		case m.Bool("star"):
			return (sdk.Important | sdk.Star).Because(1)
		}
		return sdk.Important.Because(1)
	}},
	"never-spam-from": {Filter: func(m sdk.Message) sdk.Verdict {
		if listed(m) && (m.Number(sdk.DMARC) == 1 || !m.Bool("require_dmarc")) {
			return sdk.NeverSpam.Because(1)
		}
		return sdk.Keep
	}},
	"mark-read-notifications": {Filter: func(m sdk.Message) sdk.Verdict {
		if by := m.Field(sdk.AutoSubmitted); by != "auto-generated" && by != "auto-notified" {
			return sdk.Keep
		}
		if m.Text("domains") != "" && !m.In(sdk.FromDomain, "domains") {
			return sdk.Keep
		}
		return archived(m, sdk.Read)
	}},
}

// needs refuses settings that give none of these a value.
func needs(keys ...string) func(sdk.Settings) int32 {
	return func(s sdk.Settings) int32 {
		for _, key := range keys {
			if s.Text(key) != "" {
				return 0
			}
		}
		return 1
	}
}

func listed(m sdk.Message) bool {
	return m.In(sdk.FromDomain, "domains") || m.In(sdk.FromAddress, "addresses")
}

func archived(m sdk.Message, v sdk.Verdict) sdk.Verdict {
	if m.Bool("archive") {
		v |= sdk.Archive
	}
	return v.Because(1)
}

// action does what the setting of this name says.
func action(m sdk.Message) sdk.Verdict {
	what := m.Text("action")
	if what == "label" {
		m.Label(m.Text("label"))
	}
	return map[string]sdk.Verdict{
		"skip": sdk.Skip, "archive": sdk.Archive, "star": sdk.Star, "important": sdk.Important, "read": sdk.Read, "spam": sdk.Spam,
	}[what].Because(1)
}
