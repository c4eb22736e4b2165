package mail

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// The vectors of the product's definition of a sender domain, and more. Each
// value is the From field of a header that has no other field.
func TestSenderDomain(t *testing.T) {
	t.Parallel()
	const none = DomainUnknown
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		from     string
		want     string
		multiple bool
	}{
		// display names never count
		{`"admin@bank.com" <x@evil.example>`, "evil.example", false},
		{`admin@bank.com <x@evil.example>`, "evil.example", false},
		{`=?utf-8?B?PGFkbWluQGJhbmsuY29tPg==?= <x@evil.example>`, "evil.example", false},
		{`"<admin@bank.com>" <x@evil.example>`, "evil.example", false},
		{`(<admin@bank.com>) <x@evil.example>`, "evil.example", false},
		{`"a@b\" <x@q.example>" <y@real.example>`, "real.example", false},
		{`x (c (n) @no.example) <y@real.example>`, "real.example", false},
		{`x (c (n) <a@no.example>) <y@real.example>`, "real.example", false},
		{`y@real.example (c (n) a@no.example)`, "real.example", false},
		{`x (c \) @no.example) <y@real.example>`, "real.example", false},
		{`admin@bank.com <>`, none, false},
		// several authors
		{`Group: a@one.example, b@two.example;`, "one.example", true},
		{`a@one.example, b@two.example`, "one.example", true},
		{`A <a@one.example>, B <b@two.example>`, "one.example", true},
		{`<x@example.org> <mailto:x@example.org>`, "example.org", true},
		{`b@two.example, A <a@one.example>`, "one.example", true},
		{`Doe, John <john@example.org>`, "example.org", false},
		// no author
		{``, none, false},
		{`undisclosed-recipients:;`, none, false},
		{`<>`, none, false},
		{`MAILER-DAEMON (Mail Delivery System)`, none, false},
		{`root@localhost`, none, false},
		{`@`, none, false},
		{`x@`, none, false},
		{`x@.`, none, false},
		{`<@>`, none, false},
		// what real senders write
		{`x@example.org`, "example.org", false},
		{`x@EXAMPLE.ORG.`, "example.org", false},
		{`<@relay.example:x@example.org>`, "example.org", false},
		{`John <john @ example . org>`, "example.org", false},
		{`john @ example.org`, "example.org", false},
		{`Foo <mailto:x@example.org>`, "example.org", false},
		{`mailto:x@example.org`, "example.org", false},
		{`"unterminated <x@example.org>`, "example.org", false},
		{`5" disk (new) <x@example.org>`, "example.org", false},
		{`smile :( <x@example.org>`, "example.org", false},
		{`5" and :( <x@example.org>`, "example.org", false},
		{`x@example.org (John (J.) Doe)`, "example.org", false},
		{`x@example.org(John)`, "example.org", false},
		{`"john doe"@example.org`, "example.org", false},
		{`<"a>b@c"@example.org>`, "example.org", false},
		{`<x@example.org`, "example.org", false},
		{`<<x@example.org>>`, "example.org", false},
		{`a@b@c.example`, "c.example", false},
		{`<x@(comment)example.org>`, "example.org", false},
		{"M\xfcller <x@latin1.example>", "latin1.example", false},
		{"NUL \x00 <x@nul.example>", "nul.example", false},
		{"\u202egro.knab\u202c <x@bidi.example>", "bidi.example", false},
		{`<script>alert(1)</script> <x@xss.example>`, none, true}, // "script" is the first angle part
		{`x@a--b.example`, "a--b.example", false},
		// address literals
		{`x@[192.0.2.1]`, "[192.0.2.1]", false},
		{`<x@[192.0.2.1]>`, "[192.0.2.1]", false},
		{`x@[IPv6:2001:DB8::1]`, "[2001:db8::1]", false},
		{`<x@[IPv6:2001:db8:0::1]>, b@two.example`, "[2001:db8::1]", true},
		{`x@[300.0.2.1]`, DomainInvalid, false},
		{`x@[fe80::1%eth0]`, DomainInvalid, false},
		{`x@[192.0.2.1`, DomainInvalid, false},
		{`x@[`, DomainInvalid, false},
		// international domains
		{`user@münchen.example`, "xn--mnchen-3ya.example", false},
		{`user@MÜNCHEN.example`, "xn--mnchen-3ya.example", false},
		{`user@straße.example`, "xn--strae-oqa.example", false},
		{`user@例え。テスト`, "xn--r8jz45g.xn--zckzah", false},
		{`user@例え。テスト。`, "xn--r8jz45g.xn--zckzah", false},
		{`user@xn--mnchen-3ya.example`, "xn--mnchen-3ya.example", false},
		{`user@XN--MNCHEN-3YA.example`, "xn--mnchen-3ya.example", false},
		{`user@xn--a.example`, DomainInvalid, false},
		{"user@m\xfcnchen.example", DomainInvalid, false},
		{"user@exam\u202eple.example", DomainInvalid, false},
		// domains that cannot exist
		{`x@my_host.example`, DomainInvalid, false},
		{`x@-a.example`, DomainInvalid, false},
		{`x@a..example`, DomainInvalid, false},
		{`x@.example`, DomainInvalid, false},
		{"x@exam\x00ple.org", DomainInvalid, false},
		{`<x@"evil.example">`, none, false},
		{`<x@"evil".example>`, DomainInvalid, false},
		{`<x@a.example/../b>`, DomainInvalid, false},
		{`x@` + long + `.example`, long + ".example", false},
		{`x@` + long + `a.example`, DomainInvalid, false},
		{`x@` + strings.Repeat(long+".", 4) + `example`, DomainInvalid, false},
		{`x@` + strings.Repeat("ü.", 1000) + `example`, DomainInvalid, false},
	} {
		got, multiple := ParseHeader([]byte("From: " + c.from + "\r\n\r\n")).SenderDomain()
		if got != c.want || multiple != c.multiple {
			t.Errorf("From: %q\n got %q, multiple %v\nwant %q, multiple %v", c.from, got, multiple, c.want, c.multiple)
		}
		if !loggable(got) {
			t.Errorf("From: %q: domain %q may not be logged", c.from, got)
		}
	}
}

func TestSenderDomainFallsBackFromFromToSenderToReturnPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header   string
		want     string
		multiple bool
	}{
		{"From: a@f.example\nSender: a@s.example\nReturn-Path: <a@r.example>\n", "f.example", false},
		{"From: <>\nSender: a@s.example\nReturn-Path: <a@r.example>\n", "s.example", false},
		{"Sender: a@s.example\nReturn-Path: <a@r.example>\n", "s.example", false},
		{"From: nobody\nSender: nobody\nReturn-Path: <a@r.example>\n", "r.example", false},
		{"From: MAILER-DAEMON (Mail)\nReturn-Path: <>\n", DomainBounce, false},
		{"Return-Path: < >\n", DomainBounce, false},
		{"Return-Path: <a@r.example>\nFrom: a@my_host.example\n", DomainInvalid, false}, // an author, if a bad one
		{"Return-Path:\n", DomainUnknown, false},
		{"Subject: From: a@b.example\n", DomainUnknown, false},
		{"", DomainUnknown, false},
		{"From: a@one.example\nFrom: b@two.example\n", "one.example", true},
		{"From: a@one.example\nfrom : b@two.example\n", "one.example", true},
		{"From: nobody\nFrom: b@two.example\nSender: a@s.example\n", "s.example", true},
		{"From: \"Last, First\"\n <a@folded.example>\n", "folded.example", false},
		{"From: =?utf-8?Q?a?=\r\n\t=?utf-8?Q?b?= <a@\r\n\tfolded.example>\n", "folded.example", false},
	} {
		got, multiple := ParseHeader([]byte(c.header + "\n")).SenderDomain()
		if got != c.want || multiple != c.multiple {
			t.Errorf("%q\n got %q, multiple %v\nwant %q, multiple %v", c.header, got, multiple, c.want, c.multiple)
		}
	}
}

var hostLike = regexp.MustCompile(`^([a-z0-9.-]+|\[[0-9a-f.:]+\])$`)

// loggable is what is promised about every sender domain.
func loggable(domain string) bool { return len(domain) <= 253 && hostLike.MatchString(domain) }

func FuzzSenderDomain(f *testing.F) {
	for _, seed := range []string{
		`"a@b\" <x@q.example>" <y@real.example>`, `x (c (n) @no.example) <y@real.example>`, `x@[IPv6:2001:db8::1]`, `user@münchen.example`,
		`Group: a@one.example, b@two.example;`, `5" :( <x@example.org>`, "x@\x00.\u202e", `<@r:x@y.example>`, `x@xn--a.b`, `x@a。b`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		domain, _ := domainOf(value)
		if domain != "" && !loggable(domain) {
			t.Fatalf("%q gives the domain %q", value, domain)
		}
		if domain == "" || domain == DomainInvalid {
			return
		}
		again, multiple := domainOf("x@" + strings.Replace(domain, "[", "[ipv6:", strings.Count(domain, "::")))
		if again != domain || multiple {
			t.Fatalf("%q gives %q, which gives %q", value, domain, again)
		}
	})
}

// A field of 1 MB costs about as much as 64 of 16 KB; quadratic work would cost
// 64 times as much, which is a minute at the least. The limit between them is
// a ratio, and forgives a second to a machine that does ten other things.
func TestSenderDomainTakesLinearTime(t *testing.T) { // not parallel: it compares times
	var ideographs strings.Builder
	for r := '\u4e00'; r < '\u5600'; r++ {
		ideographs.WriteRune(r)
	}
	for name, unit := range map[string]string{
		"deep comments":       "(",
		"open quotes":         `"`,
		"quotes in angles":    `<"`,
		"angles":              "<",
		"closing angles":      "<>",
		"ats":                 "@",
		"list of ats":         "@,",
		"backslash quotes":    `"\`,
		"comments, closed":    "()",
		"brackets":            "@[:",
		"dots":                "a.",
		"spaces":              " ",
		"ideographic dots":    "@。",
		"list of addresses":   "a@ü.example,",
		"international label": ideographs.String(), // Punycode is quadratic
	} {
		t.Run(name, func(t *testing.T) {
			many, one := cost(unit, 16<<10, 64), cost(unit, 1<<20, 1)
			if one > 10*many+time.Second {
				t.Errorf("one field of 1 MB costs %v, 64 of 16 KB cost %v", one, many)
			}
		})
	}
}

// cost gives the time to read a field n times.
func cost(unit string, size, n int) time.Duration {
	h := ParseHeader([]byte("From: x@a.example" + strings.Repeat(unit, size/len(unit)) + "\r\n\r\n"))
	start := time.Now()
	for range n {
		h.SenderDomain()
	}
	return time.Since(start)
}
