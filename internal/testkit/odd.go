package testkit

import "strings"

// OddMail is a mail that breaks a rule and must arrive all the same.
type OddMail struct {
	Name string
	Raw  []byte
	// GmailRefuses: import answers 400, because From is not exactly one field
	// with an address, or there is nothing to import; the mail is then
	// recorded as refused. Forms of From of which nobody knows what Gmail does
	// with them (a BOM or a fold within the address) are not among these mails.
	GmailRefuses bool
}

// Odd gives mail as bad as it comes, each with one oddity, always the same.
// Line ends are as the oddity wants them, otherwise CRLF. A server that
// stores or sends lines may change bare LF, lone CR and a missing last line
// end; what the product reads is what its server sent.
func Odd() []OddMail {
	var all []OddMail
	add := func(name string, refused bool, raw string) {
		all = append(all, OddMail{Name: name, Raw: []byte(raw), GmailRefuses: refused})
	}
	for _, c := range oddFields() {
		add(c.name, c.refused, strings.Join(c.fields, "\r\n")+"\r\n\r\nbody of "+c.name+"\r\n")
	}
	for _, c := range oddBodies() {
		add(c.name, false, ordinaryFields(c.name)+"\r\n"+c.body)
	}
	plain := ordinaryFields("lines") + "\r\nfirst\r\nsecond\r\n"
	add("bare LF", false, strings.ReplaceAll(plain, "\r\n", "\n"))
	add("bare LF in the header only", false, strings.ReplaceAll(ordinaryFields("lf"), "\r\n", "\n")+"\nfirst\r\nsecond\r\n")
	add("header only, no blank line", false, ordinaryFields("headeronly"))
	add("header only, no last line end", false, strings.TrimSuffix(ordinaryFields("headercut"), "\r\n"))
	add("header and blank line, no body", false, ordinaryFields("nobody")+"\r\n")
	add("BOM first", false, "\xef\xbb\xbfX-First: 1\r\n"+ordinaryFields("bom")+"\r\nbody\r\n")
	add("mbox From line first", false, "From odd@odd.example Tue Mar  3 10:00:00 2026\r\n"+ordinaryFields("mbox")+"\r\nbody\r\n")
	add("header of 300 KB", false, ordinaryFields("300kb")+strings.Repeat("X-Filler: "+strings.Repeat("f", 68)+"\r\n", 3840)+"\r\nbody\r\n")
	add("header of 100,000 lines", false, ordinaryFields("lines100k")+strings.Repeat("X: y\r\n", 100_000)+"\r\nbody\r\n")
	add("empty message", true, "")
	add("one blank line", true, "\r\n")
	add("body without header", true, "\r\nonly a body\r\n")
	return all
}

// ordinaryFields is a header section with nothing odd in it, without the blank line.
func ordinaryFields(id string) string {
	return strings.Join(fieldsBut(id), "\r\n") + "\r\n"
}

// fieldsBut gives the ordinary fields without those that begin with one of
// the prefixes.
func fieldsBut(id string, without ...string) []string {
	var kept []string
	for _, f := range []string{
		"From: Odd Sender <odd@odd.example>", "To: me@old.example", "Subject: " + id,
		"Date: Tue, 03 Mar 2026 10:00:00 +0000", "Message-ID: <" + strings.ReplaceAll(id, " ", ".") + "@odd.example>",
	} {
		keep := true
		for _, w := range without {
			keep = keep && !strings.HasPrefix(f, w)
		}
		if keep {
			kept = append(kept, f)
		}
	}
	return kept
}

type oddField struct {
	name    string
	refused bool
	fields  []string
}

// oddFields are oddities of single fields.
func oddFields() []oddField {
	odd := func(name, replaced string, by ...string) oddField {
		return oddField{name, false, append(fieldsBut(name, replaced), by...)}
	}
	first := func(name, line string) oddField {
		return oddField{name, false, append([]string{line}, fieldsBut(name)...)}
	}
	refused := func(o oddField) oddField { o.refused = true; return o }
	return []oddField{
		refused(odd("no From", "From:")),
		refused(odd("empty From", "From:", "From:")),
		refused(odd("several From", "From:", "From: a@one.example", "From: b@two.example")),
		refused(odd("From without address", "From:", "From: MAILER-DAEMON (Mail Delivery System)")),
		odd("From with two addresses", "From:", "From: A <a@one.example>, B <b@two.example>"),
		odd("From with markup", "From:", `From: "<script>alert(1)</script>" <xss@odd.example>`),
		odd("From with bidi controls", "From:", "From: \"\u202emoc.knab@nimda\u202c\" <bidi@odd.example>"),
		odd("From with NUL", "From:", "From: \"N\x00UL\" <nul@odd.example>"),
		odd("From with 8-bit name", "From:", "From: M\xfcller <latin1@odd.example>"),
		odd("From with address in its name", "From:", "From: admin@bank.example <x@odd.example>"),
		odd("From of an international domain", "From:", "From: x@m\u00fcnchen.example"),
		odd("From folded weirdly", "From:", "From:\r\n \r\n\t=?utf-8?Q?Odd?=\r\n   <odd@odd.example>"),
		odd("space before the colon", "From:", "From : odd@odd.example"),
		odd("no Date", "Date:"),
		odd("Date in year 1", "Date:", "Date: Mon, 01 Jan 0001 00:00:00 +0000"),
		odd("Date in year 9999", "Date:", "Date: Fri, 31 Dec 9999 23:59:59 +0000"),
		odd("Date that is none", "Date:", "Date: yesterday, about noon"),
		odd("no Message-ID", "Message-ID:"),
		odd("empty Message-ID", "Message-ID:", "Message-ID:"),
		odd("Message-ID of 10 KB", "Message-ID:", "Message-ID: <"+strings.Repeat("i", 10<<10)+"@odd.example>"),
		odd("Message-ID shared, first", "Message-ID:", "Message-ID: <shared@odd.example>"),
		odd("Message-ID shared, second", "Message-ID:", "Message-ID: <shared@odd.example>"),
		odd("8-bit header", "Subject:", "Subject: gr\xfc\xdfe \xff\xfe"),
		odd("NUL in the header", "Subject:", "Subject: nul \x00 nul"),
		first("line without colon first", "this is no field"),
		first("continuation first", " of no field at all"),
		odd("folded weirdly", "Subject:", "Subject:\r\n\t\r\n \r\n  folded\r\n\tand folded again \r\n "),
		odd("header line of 1 MB", "Subject:", "Subject: "+strings.Repeat("s", 1<<20)),
		odd("lone CR in the header", "Subject:", "Subject: a\rBcc: hidden@odd.example"),
	}
}

type oddBody struct{ name, body string }

// oddBodies are oddities of bodies, with nothing odd in the header.
func oddBodies() []oddBody {
	return []oddBody{
		{"NUL octets", "a\x00b\r\n\x00\x00\x00\r\n"},
		{"lone CR", "one\rtwo\r\rthree\r\n"},
		{"mixed line ends", "one\r\ntwo\nthree\r\nfour\n"},
		{"line of 1 MB", strings.Repeat("l", 1<<20) + "\r\n"},
		{"lines that start with dots", ".\r\n..\r\n...\r\n.dot\r\n..dot\r\n. dot\r\n\r\n.\r\n"},
		{"a line that is just a dot", "before\r\n.\r\nafter\r\n"},
		{"a dot last", "before\r\n."},
		{"dots and bare LF", "before\n.\nafter\n.\r\n.\n"},
		{"8-bit body", "\x80\x81\xfe\xff\r\n"},
		{"no last line end", "the end is near"},
		{"many last line ends", "the end\r\n\r\n\r\n\r\n\r\n"},
		{"protocol in the body", "+OK 1 message\r\n-ERR no\r\n* BYE\r\nA1 OK done)\r\n{99999}\r\nHTTP/1.1 200 OK\r\n\r\n"},
		{"mbox From lines", "\r\nFrom odd@odd.example Tue Mar  3 10:00:00 2026\r\n>From quoted\r\n"},
		{"parts that never close", "--B\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n--C\r\n" + strings.Repeat("--C\r\n", 50)},
	}
}
