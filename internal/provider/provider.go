// Package provider is what is known of mail providers beyond where their
// servers are: how often they may be asked, what a person has to do before a
// mail program gets in, and what they do otherwise than they say. It is data
// (providers.json) and the question for it.
package provider

import (
	_ "embed"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

//go:embed providers.json
var file []byte

// Known is what is known of a mail host for a protocol; what is not is zero.
type Known struct {
	Advice
	Floor time.Duration // the least between two logins
	Keeps string        // it keeps what it says to have deleted: what to do
}

// Advice is what a provider wants before it lets a mail program in.
type Advice struct {
	Auth string // "app-password", "oauth"; "": an ordinary password
	Text string // for the user; "": nothing special
	Link string // the provider's own page where that is done; "": none that stays
	// Guide names the steps to it, one by one, which the pages have; "": there are
	// none.
	Guide string
}

// row is one of the file.
type row struct {
	Hosts    []string `json:"hosts"`
	Protocol string   `json:"protocol"`
	Auth     string   `json:"auth"`
	Text     string   `json:"text"`
	Link     string   `json:"link"`
	Guide    string   `json:"guide"`
	Floor    string   `json:"floor"`
	Keeps    string   `json:"keeps"`
	Source   string   `json:"source"`

	floor time.Duration
}

var rows = sync.OnceValue(func() []row {
	var f struct {
		Note      string `json:"_note"`
		Providers []row  `json:"providers"`
	}
	if err := json.Unmarshal(file, &f); err != nil {
		panic("provider: " + err.Error()) // it is part of the program
	}
	for i := range f.Providers {
		if p := &f.Providers[i]; p.Floor != "" {
			var err error
			if p.floor, err = time.ParseDuration(p.Floor); err != nil {
				panic("provider: " + err.Error())
			}
		}
	}
	return f.Providers
})

// For gives what is known of a mail host, lower case, for a protocol.
func For(host, protocol string) (k Known) {
	for i := range rows() {
		p := &rows()[i]
		if p.Protocol != "" && p.Protocol != protocol || !p.has(host) {
			continue
		}
		if p.Text != "" && k.Text == "" {
			k.Advice = Advice{Auth: p.Auth, Text: p.Text, Link: p.Link, Guide: p.Guide}
		}
		if k.Floor == 0 {
			k.Floor = p.floor
		}
		if k.Keeps == "" {
			k.Keeps = p.Keeps
		}
	}
	return k
}

func (p *row) has(host string) bool {
	for _, h := range p.Hosts {
		if host == h || strings.HasSuffix(host, h) && host[len(host)-len(h)-1] == '.' {
			return true
		}
	}
	return false
}
