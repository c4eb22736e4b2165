package provider

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestTheDataIsWhatItSays(t *testing.T) {
	t.Parallel()
	var f struct {
		Note      string `json:"_note"`
		Providers []row  `json:"providers"`
	}
	in := json.NewDecoder(bytes.NewReader(file))
	in.DisallowUnknownFields()
	if err := in.Decode(&f); err != nil {
		t.Fatal(err)
	}
	for _, p := range rows() {
		if len(p.Hosts) == 0 || p.Text == "" && p.Floor == "" && p.Keeps == "" {
			t.Errorf("%v says nothing", p.Hosts)
		}
		if p.Text == "" && p.Source == "" {
			t.Errorf("%v: where is that from?", p.Hosts)
		}
		for _, h := range p.Hosts {
			if h != strings.ToLower(h) || !strings.Contains(h, ".") || strings.HasPrefix(h, ".") {
				t.Errorf("%q is no host name", h)
			}
		}
		if p.Protocol != "" && p.Protocol != "imap" && p.Protocol != "pop3" || p.Auth != "" && p.Auth != "app-password" && p.Auth != "oauth" {
			t.Errorf("%v: protocol %q, auth %q", p.Hosts, p.Protocol, p.Auth)
		}
		if p.Link != "" && !strings.HasPrefix(p.Link, "https://") || p.Floor != "" && (p.floor < time.Minute || p.floor > time.Hour) {
			t.Errorf("%v: link %q, floor %q", p.Hosts, p.Link, p.Floor)
		}
		if strings.ContainsAny(p.Text+p.Keeps, "\r\n") {
			t.Errorf("%v: a text of several lines", p.Hosts)
		}
	}
}

func TestWhatIsKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, protocol, auth string
		floor                time.Duration
		text, keeps          bool
	}{
		{"pop3.web.de", "pop3", "", 15 * time.Minute, true, false},
		{"imap.web.de", "imap", "", 0, true, false},
		{"pop.notweb.de", "pop3", "", 0, false, false},
		{"ssl0.ovh.net", "pop3", "", 2 * time.Minute, true, false},
		{"pop.yandex.com", "pop3", "app-password", 2 * time.Minute, true, true},
		{"imap.yandex.com", "imap", "app-password", 2 * time.Minute, true, false},
		{"pop.gmail.com", "pop3", "app-password", 0, true, true},
		{"outlook.office365.com", "imap", "oauth", 0, true, false},
		{"mail.example.org", "imap", "", 0, false, false},
		{"", "", "", 0, false, false},
	} {
		k := For(c.host, c.protocol)
		if k.Auth != c.auth || k.Floor != c.floor || (k.Text != "") != c.text || (k.Keeps != "") != c.keeps {
			t.Errorf("%s %s: %+v", c.host, c.protocol, k)
		}
	}
}
