package discover

import (
	"slices"
	"strings"
	"testing"
)

// seeds are files as they are found, and as somebody might make them.
var seeds = map[string]struct {
	file string
	want []string // type host port socket; nil: refused
}{
	"ordinary": {config(incoming("imap", "imap.example.com", 993, "SSL") + `<outgoingServer type="smtp"><hostname>smtp.example.com</hostname></outgoingServer>`),
		[]string{"imap imap.example.com SSL"}},
	"comments, spaces, unknown elements": {`<!-- hi --><clientConfig><?x y?><emailProvider><incomingServer type="pop3"><hostname>
		pop.example.com </hostname><socketType>STARTTLS</socketType><pop3><hostname>no</hostname><checkInterval minutes="15"/></pop3></incomingServer></emailProvider></clientConfig>`,
		[]string{"pop3 pop.example.com STARTTLS"}},
	"no servers":               {config(""), []string{}},
	"a server somewhere else":  {`<clientConfig><incomingServer type="imap"><hostname>x.example</hostname></incomingServer></clientConfig>`, []string{}},
	"host of another element":  {config(`<documentation><hostname>x</hostname></documentation>`), []string{}},
	"empty":                    {"", nil},
	"web page":                 {"<!DOCTYPE html><html><body>hello</body></html>", nil},
	"web page without DTD":     {"<html><body></body></html>", nil},
	"DTD":                      {`<!DOCTYPE clientConfig SYSTEM "http://evil.example/x.dtd">` + config(""), nil},
	"entity bomb":              {`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + config("<domain>&b;</domain>"), nil},
	"own entity":               {config("<domain>&xxe;</domain>"), nil},
	"cut":                      {`<clientConfig><emailProvider><incomingServer type="imap"><hostname>imap.example.com</hostname>`, nil},
	"tags that do not match":   {`<clientConfig><emailProvider></clientConfig></emailProvider>`, nil},
	"two roots":                {config("") + config(""), nil},
	"deep":                     {"<clientConfig>" + strings.Repeat("<a>", 20) + strings.Repeat("</a>", 20) + "</clientConfig>", nil},
	"many servers":             {config(strings.Repeat(incoming("imap", "imap.example.com", 993, "SSL"), 9)), nil},
	"foreign character set":    {`<?xml version="1.0" encoding="ISO-8859-1"?><clientConfig></clientConfig>`, nil},
	"too long":                 {config(strings.Repeat(" ", maxFile)), nil},
	"end without a beginning":  {"</clientConfig>", nil},
	"namespaces do not matter": {`<a:clientConfig xmlns:a="x"><emailProvider><incomingServer type="imap"><hostname>h.example</hostname></incomingServer></emailProvider></a:clientConfig>`, []string{"imap h.example "}},
}

func TestAutoconfigFiles(t *testing.T) {
	t.Parallel()
	for name, c := range seeds {
		servers, err := parseAutoconfig([]byte(c.file))
		if (err != nil) != (c.want == nil) {
			t.Errorf("%s: %v, %v; want %v", name, servers, err, c.want)
			continue
		}
		var got []string
		for _, s := range servers {
			got = append(got, s.Type+" "+s.Host+" "+s.Socket)
		}
		if !slices.Equal(got, c.want) && len(c.want)+len(got) > 0 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func FuzzAutoconfig(f *testing.F) {
	for _, c := range seeds {
		f.Add([]byte(c.file))
	}
	a := address{"ann", "example.com", "example.com"}
	f.Fuzz(func(t *testing.T, file []byte) {
		servers, err := parseAutoconfig(file)
		if len(servers) > maxServers || err != nil && servers != nil {
			t.Fatalf("%d servers, %v", len(servers), err)
		}
		for _, c := range offered(servers, a) {
			if c.Security != "tls" && c.Security != "starttls" || c.Username == "" || strings.ContainsAny(c.Username, "\r\n\x00 ") {
				t.Fatalf("offered %+v", c)
			}
		}
	})
}
