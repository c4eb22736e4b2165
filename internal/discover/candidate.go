package discover

import (
	"cmp"
	"slices"
)

// Candidate is one way to reach a mailbox.
type Candidate struct {
	Protocol string `json:"protocol"` // "imap", "pop3"
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Security string `json:"security"` // "tls", "starttls"
	Username string `json:"username"`
	Auth     string `json:"auth"`   // "password", "app-password", "oauth"
	Source   string `json:"source"` // who says so: "ispdb", "srv", "autoconfig", "mx", "guess"
	Hint     string `json:"hint"`   // what the provider wants first, in plain words; often ""
}

// sources in the order of trust.
var sources = []string{"ispdb", "srv", "autoconfig", "mx", "guess"}

// rank is the place of a way among others, the best first.
func (c Candidate) rank() int {
	switch {
	case c.Security == "tls" && c.Protocol == "imap":
		return 0
	case c.Security == "tls":
		return 1
	case c.Protocol == "imap":
		return 2
	}
	return 3
}

// best puts candidates in order; of two that lead to the same door the one from
// the better source stays. Within a source its own order holds.
func best(all []Candidate) []Candidate {
	type door struct {
		protocol, host, security string
		port                     int
	}
	slices.SortStableFunc(all, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(slices.Index(sources, a.Source), slices.Index(sources, b.Source)))
	})
	seen := map[door]bool{}
	return slices.DeleteFunc(all, func(c Candidate) bool {
		d := door{c.Protocol, c.Host, c.Security, c.Port}
		again := seen[d]
		seen[d] = true
		return again
	})
}

// advised adds what the provider wants.
func advised(c Candidate) Candidate {
	advice := For(c.Host, c.Protocol)
	c.Hint = advice.Text
	if advice.Auth != "" {
		c.Auth = advice.Auth
	}
	return c
}
