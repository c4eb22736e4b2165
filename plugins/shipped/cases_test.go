package shipped_test

import (
	"strings"

	"github.com/smtp-sync/smtp-sync/plugins/filtertest"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

type verdict = filtertest.Verdict

// does is the verdict of these bits for the first reason.
func does(bits uint64, labels ...string) verdict {
	return verdict{Bits: bits, Reason: 1, Labels: labels}
}

var trusted = []string{"mx.example.net"}

// cases are what the shipped rules promise, by their names.
var cases = map[string][]filtertest.Case{
	"skip-domains": {
		{Why: "a listed domain", Settings: `{"domains":["example.org"]}`, Header: "From: a@example.org", Want: does(manifest.Skip)},
		{Why: "a domain below a listed one", Settings: `{"domains":["example.org"]}`, Header: "From: A <a@x.news.EXAMPLE.org>", Want: does(manifest.Skip)},
		{Why: "a domain that ends like a listed one", Settings: `{"domains":["example.org"]}`, Header: "From: a@badexample.org"},
		{Why: "a domain above a listed one", Settings: `{"domains":["news.example.org"]}`, Header: "From: a@example.org"},
		{Why: "one form for a name in any script", Settings: `{"domains":["xn--bcher-kva.example"]}`, Header: "From: a@bücher.example", Want: does(manifest.Skip)},
		{Why: "no sender", Settings: `{"domains":["example.org"]}`, Header: "Subject: x"},
		{Why: "no domains", Settings: `{"domains":[]}`, Header: "From: a@example.org"},
	},
	"label-by-list-id": {
		{Why: "the label is the list id", Settings: `{}`, Header: "List-Id: Go Nuts <golang-nuts.googlegroups.com>", Want: does(0, "golang-nuts.googlegroups.com")},
		{Why: "no list", Settings: `{}`, Header: "From: a@example.org"},
		{Why: "an empty id", Settings: `{}`, Header: "List-Id: <>"},
		{Why: "labels nest", Settings: `{"under":"Lists"}`, Header: "List-Id: <dev.example.org>", Want: does(0, "Lists/dev.example.org")},
		{Why: "a slash at the end is no second one", Settings: `{"under":"My/Lists/"}`, Header: "List-Id: <dev.example.org>", Want: does(0, "My/Lists/dev.example.org")},
		{Why: "a label may have 100 octets", Settings: `{"under":"L"}`, Header: "List-Id: <" + strings.Repeat("l", 98) + ">", Want: does(0, "L/"+strings.Repeat("l", 98))},
		{Why: "an id that is too long gets none", Settings: `{"under":"L","archive":true}`, Header: "List-Id: <" + strings.Repeat("l", 99) + ">"},
		{Why: "out of the inbox", Settings: `{"archive":true}`, Header: "List-Id: <dev.example.org>", Want: does(manifest.Archive, "dev.example.org")},
	},
	"label-by-domain": {
		{Why: "listed, with a label", Settings: `{"domains":["example.org"],"label":"Shop"}`, Header: "From: a@news.example.org", Want: does(0, "Shop")},
		{Why: "not listed", Settings: `{"domains":["example.org"],"label":"Shop"}`, Header: "From: a@example.com"},
		{Why: "without a label it is the domain", Settings: `{"domains":["example.org"]}`, Header: "From: a@news.example.org", Want: does(0, "news.example.org")},
		{Why: "without a list it is every domain", Settings: `{"archive":true}`, Header: "From: a@example.com", Want: does(manifest.Archive, "example.com")},
		{Why: "no sender", Settings: `{"archive":true}`, Header: "Subject: x"},
		{Why: "a label for all", Settings: `{"label":"All"}`, Header: "Subject: x", Want: does(0, "All")},
		{Why: "an empty list is none", Settings: `{"domains":[],"label":"All"}`, Header: "From: a@example.com", Want: does(0, "All")},
	},
	"skip-newsletters": {
		{Why: "it can be unsubscribed from", Settings: `{}`, Header: "List-Unsubscribe: <https://example.org/u>", Want: does(manifest.Skip)},
		{Why: "it calls itself bulk", Settings: `{}`, Header: "Precedence: Bulk", Want: does(manifest.Skip)},
		{Why: "it calls itself something else of four letters", Settings: `{}`, Header: "Precedence: list"},
		{Why: "a letter", Settings: `{}`, Header: "From: a@example.org\nSubject: hello"},
		{Why: "a list that one can write to", Settings: `{}`, Header: "List-Unsubscribe: <https://example.org/u>\nList-Post: <mailto:dev@example.org>"},
		{Why: "a list that nobody may write to", Settings: `{}`, Header: "Precedence: bulk\nList-Post: NO (posting not allowed)", Want: does(manifest.Skip)},
		{Why: "one that is wanted", Settings: `{"keep":["example.org"]}`, Header: "From: a@news.example.org\nPrecedence: bulk"},
		{Why: "another", Settings: `{"keep":["example.org"]}`, Header: "From: a@example.com\nPrecedence: bulk", Want: does(manifest.Skip)},
		{Why: "archived", Settings: `{"action":"archive"}`, Header: "Precedence: bulk", Want: does(manifest.Archive)},
		{Why: "labelled", Settings: `{"action":"label"}`, Header: "Precedence: bulk", Want: does(0, "Newsletters")},
		{Why: "labelled otherwise", Settings: `{"action":"label","label":"Zürich/Post"}`, Header: "Precedence: bulk", Want: does(0, "Zürich/Post")},
	},
	"size-limit": {
		{Why: "larger", Settings: `{"limit":"10MB"}`, Size: 10_000_001, Want: does(manifest.Skip)},
		{Why: "just as large", Settings: `{"limit":"10MB"}`, Size: 10_000_000},
		{Why: "of no known size", Settings: `{"limit":"10MB"}`, Size: -1},
		{Why: "a limit in octets", Settings: `{"limit":0,"action":"archive"}`, Size: 1, Want: does(manifest.Archive)},
		{Why: "a limit beyond 32 bits", Settings: `{"limit":"20GB","action":"label"}`, Size: 20_000_000_001, Want: does(0, "Large")},
		{Why: "below one beyond 32 bits", Settings: `{"limit":"20GB","action":"label"}`, Size: 20_000_000_000},
	},
	"subject-regex": {
		{Why: "it matches", Settings: `{"pattern":"(?i)^\\[build\\]","action":"read"}`, Header: "Subject: [BUILD] failed", Want: does(manifest.Read)},
		{Why: "it does not", Settings: `{"pattern":"(?i)^\\[build\\]","action":"read"}`, Header: "Subject: Re: [build]"},
		{Why: "encoded words are read first", Settings: `{"pattern":"Grüße","action":"star"}`, Header: "Subject: =?utf-8?q?gr=C3=BC=C3=9Fe_Gr=C3=BC=C3=9Fe?=", Want: does(manifest.Star)},
		{Why: "no subject", Settings: `{"pattern":".*","action":"star"}`, Header: "From: a@example.org"},
		{Why: "skip", Settings: `{"pattern":"x","action":"skip"}`, Header: "Subject: x", Want: does(manifest.Skip)},
		{Why: "archive", Settings: `{"pattern":"x","action":"archive"}`, Header: "Subject: x", Want: does(manifest.Archive)},
		{Why: "important", Settings: `{"pattern":"x","action":"important"}`, Header: "Subject: x", Want: does(manifest.Important)},
		{Why: "spam", Settings: `{"pattern":"x","action":"spam"}`, Header: "Subject: x", Want: does(manifest.Spam)},
		{Why: "label", Settings: `{"pattern":"x","action":"label","label":"X"}`, Header: "Subject: x", Want: does(0, "X")},
		{Why: "a label that is not said", Settings: `{"pattern":"x","action":"label"}`, Refused: 1},
	},
	"only-from": {
		{Why: "a listed domain", Settings: `{"domains":["example.org"]}`, Header: "From: a@news.example.org"},
		{Why: "a listed address", Settings: `{"addresses":["Some.One@example.com"]}`, Header: "From: some.one@EXAMPLE.com"},
		{Why: "another address of its domain", Settings: `{"addresses":["some.one@example.com"]}`, Header: "From: other@example.com", Want: does(manifest.Skip)},
		{Why: "no sender is not on the list", Settings: `{"domains":["example.org"]}`, Header: "Subject: x", Want: does(manifest.Skip)},
		{Why: "two senders are not either", Settings: `{"addresses":["a@example.org"]}`, Header: "From: \"a@example.org\" <b@example.com>", Want: does(manifest.Skip)},
		{Why: "archived", Settings: `{"domains":["example.org"],"action":"archive"}`, Header: "From: a@example.com", Want: does(manifest.Archive)},
		{Why: "nobody at all", Settings: `{}`, Refused: 1},
		{Why: "nobody on either list", Settings: `{"domains":[],"addresses":[]}`, Refused: 1},
	},
	"mark-important-from": {
		{Why: "a listed domain", Settings: `{"domains":["example.org"]}`, Header: "From: a@example.org", Want: does(manifest.Important)},
		{Why: "a listed address", Settings: `{"addresses":["a@example.com"],"star":true}`, Header: "From: A <a@example.com>", Want: does(manifest.Important | manifest.Star)},
		{Why: "somebody else", Settings: `{"addresses":["a@example.com"],"domains":["example.org"]}`, Header: "From: b@example.com"},
		{Why: "an address in the name is no sender", Settings: `{"addresses":["a@example.com"]}`, Header: "From: \"a@example.com\" <b@example.net>"},
	},
	"never-spam-from": {
		{Why: "DMARC passed", Settings: `{"domains":["example.org"]}`, Authserv: trusted, Header: "From: a@example.org\nAuthentication-Results: mx.example.net; dmarc=pass", Want: does(manifest.NeverSpam)},
		{Why: "DMARC failed", Settings: `{"domains":["example.org"]}`, Authserv: trusted, Header: "From: a@example.org\nAuthentication-Results: mx.example.net; dmarc=fail"},
		{Why: "nobody who is trusted says so", Settings: `{"domains":["example.org"]}`, Authserv: trusted, Header: "From: a@example.org\nAuthentication-Results: mx.example.com; dmarc=pass"},
		{Why: "nobody is trusted", Settings: `{"domains":["example.org"]}`, Header: "From: a@example.org\nAuthentication-Results: mx.example.net; dmarc=pass"},
		{Why: "not wanted", Settings: `{"addresses":["a@example.org"],"require_dmarc":false}`, Header: "From: a@example.org", Want: does(manifest.NeverSpam)},
		{Why: "not listed", Settings: `{"addresses":["a@example.org"],"require_dmarc":false}`, Header: "From: b@example.org"},
	},
	"mark-read-notifications": {
		{Why: "made by a machine", Settings: `{}`, Header: "Auto-Submitted: auto-generated", Want: does(manifest.Read)},
		{Why: "a notification, with parameters", Settings: `{}`, Header: "Auto-Submitted: Auto-Notified; owner-email=\"a@example.org\"", Want: does(manifest.Read)},
		{Why: "an automatic answer", Settings: `{}`, Header: "Auto-Submitted: auto-replied"},
		{Why: "not automatic", Settings: `{}`, Header: "Auto-Submitted: no"},
		{Why: "something of the same length", Settings: `{}`, Header: "Auto-Submitted: auto-xenerated"},
		{Why: "a letter", Settings: `{}`, Header: "From: a@example.org"},
		{Why: "a listed domain", Settings: `{"domains":["example.org"],"archive":true}`, Header: "From: a@example.org\nAuto-Submitted: auto-generated", Want: does(manifest.Read | manifest.Archive)},
		{Why: "another domain", Settings: `{"domains":["example.org"],"archive":true}`, Header: "From: a@example.com\nAuto-Submitted: auto-generated"},
	},
}
