package discover

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// Mozilla's data under the MPL 2.0; see ispdb.NOTICE. It stays as it came.
//
//go:embed ispdb.json
var ispdbFile []byte

//go:embed own.json
var ownFile []byte

// A database maps the domain of an address, or of a mail exchanger, to the
// provider behind it.
type database struct {
	Providers []provider     `json:"providers"`
	Domains   map[string]int `json:"domains"`
}

type provider struct {
	Name     string   `json:"name"`
	Incoming []server `json:"in"`
	Enable   string   `json:"enable"` // where to let mail programs in
	Hint     string   `json:"hint"`   // what to know first, where the mail host does not tell
	Closed   string   `json:"closed"` // why no program can get in; "": one can
}

// server is an incomingServer of autoconfig 1.1.
type server struct {
	Type     string   `json:"t"`
	Host     string   `json:"h"`
	Port     int      `json:"p"`
	Socket   string   `json:"s"` // "SSL", "STARTTLS", "plain"
	Username string   `json:"u"`
	Auth     []string `json:"a"`
}

// databases in the order they are asked.
var databases = sync.OnceValue(func() [2]database {
	var out [2]database
	for i, file := range [][]byte{ownFile, ispdbFile} {
		if err := json.Unmarshal(file, &out[i]); err != nil {
			panic("discover: " + err.Error()) // it is part of the program
		}
	}
	return out
})

// lookUp gives the provider of a domain.
func lookUp(domain string) (provider, bool) {
	for _, db := range databases() {
		if i, ok := db.Domains[domain]; ok {
			return db.Providers[i], true
		}
	}
	return provider{}, false
}

// lookUpHost gives the provider that a mail exchanger belongs to: the name is
// shortened from the left until the database knows it. No list of public
// suffixes is needed, as the database has none of them.
func lookUpHost(host string) (provider, bool) {
	for host != "" {
		if p, ok := lookUp(host); ok {
			return p, true
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return provider{}, false
}

// candidates gives the ways of a provider that are safe.
func (p provider) candidates(a address, source string) (out []Candidate) {
	for _, s := range p.Incoming {
		if c, ok := s.candidate(a, source); ok {
			c.Hint = cmp.Or(p.Hint, c.Hint, p.enableHint())
			out = append(out, c)
		}
	}
	return out
}

func (p provider) enableHint() string {
	if p.Enable == "" {
		return ""
	}
	return "This provider has to be told first: allow access by mail programs in its settings, see " + p.Enable
}

// reserved ports belong to one protocol; files do mix them up. "smtp" is none of ours.
var reserved = map[int]string{110: "pop3", 995: "pop3", 143: "imap", 993: "imap", 25: "smtp", 465: "smtp", 587: "smtp"}

// candidate gives a server as a way in, if it is one that we would take:
// encrypted, on a port of its protocol, and with a password or OAuth.
func (s server) candidate(a address, source string) (Candidate, bool) {
	security := map[string]string{"SSL": "tls", "STARTTLS": "starttls"}[s.Socket]
	auth := ""
	switch {
	case slices.Contains(s.Auth, appPassword): // own.json alone knows this word
		auth = appPassword
	case slices.Contains(s.Auth, "password-cleartext"), slices.Contains(s.Auth, "password-encrypted"):
		auth = "password"
	case slices.Contains(s.Auth, "OAuth2"):
		auth = "oauth"
	}
	owner := reserved[s.Port]
	if security == "" || auth == "" || s.Type != "imap" && s.Type != "pop3" || owner != "" && owner != s.Type {
		return Candidate{}, false
	}
	return advised(Candidate{Protocol: s.Type, Host: strings.ReplaceAll(s.Host, "%EMAILDOMAIN%", a.domain), Port: s.Port, Security: security,
		Username: a.expand(s.Username), Auth: auth, Source: source}), true
}
