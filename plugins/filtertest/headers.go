package filtertest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins/field"
)

// Odd gives messages as they really come, and worse: each must have an answer.
func Odd() (all []Message) {
	for _, raw := range []string{
		"",
		"\r\n",
		"\x00\x00\x00\r\n\r\n",
		"no colon at all\r\n\r\n",
		"From:\r\nSubject:\r\nList-Id:\r\n\r\n",
		"From: <>\r\n\r\n",
		"From: MAILER-DAEMON\r\nAuto-Submitted: auto-replied (vacation)\r\n\r\n",
		"From: a@example.org, b@example.com\r\nTo: undisclosed-recipients:;\r\n\r\n",
		"From: \"a@example.com\" <b@example.org>\r\n\r\n",
		"From: =?utf-8?q?B=C3=BCcher?= <news@b\u00fccher.example>\r\nSubject: =?utf-8?b?8J+YgA==?=\r\n\r\n",
		"From: someone@" + strings.Repeat("a.", 120) + "org\r\n\r\n",
		"From: " + strings.Repeat("x", 5000) + "@example.org\r\n\r\n",
		"Subject: " + strings.Repeat("a long subject ", 4000) + "\r\n\r\n",
		"Subject: folded\r\n\tover\r\n lines\r\nFrom: a@example.org\r\n\r\n",
		"Subject: \x1b[31mred\x00\u202e\r\n\r\n",
		"Subject: \xff\xfe not UTF-8 \xc3\r\n\r\n",
		"Subject: =?x-unknown?q?=41?= =?utf-8?q?=ZZ?=\r\n\r\n",
		"List-Id: a list without brackets\r\n\r\n",
		"List-Id: <" + strings.Repeat("l", 99) + ">\r\n\r\n",
		"List-Id: <" + strings.Repeat("l", 101) + ">\r\n\r\n",
		"List-Id: <\u00fcber.example.org>\r\nList-Unsubscribe: <mailto:x@example.org>\r\n\r\n",
		"List-Id: < / >\r\nPrecedence: BULK\r\nList-Post: NO (closed)\r\n\r\n",
		"List-Unsubscribe: <https://example.org/u>\r\nList-Post:\r\n\r\n",
		"Precedence: bulk, list\r\nAuto-Submitted: auto-generated; a=b\r\n\r\n",
		"Auto-Submitted: auto-\r\nFrom: a@example.org\r\n\r\n",
		"Date: yesterday\r\nMessage-ID: <>\r\n\r\n",
		"Authentication-Results: mx.example.net; dmarc=pass\r\nFrom: a@example.org\r\n\r\n",
		strings.Repeat("From: a@example.org\r\n", 500) + "\r\n",
		strings.Repeat("Received: from x by y\r\n", 4000) + "From: late@example.org\r\n\r\n",
		"From: a@example.org\nSubject: bare line feeds\n\n",
	} {
		all = append(all, Message{Raw: []byte(raw), Ref: mail.Ref{Size: int64(len(raw)) * 1000, UID: 1}, Box: field.Mailbox{Name: "Work", Authserv: []string{"mx.example.net"}}})
	}
	all[0].Ref.Size = -1 // nobody said
	all[1].Ref.Size = 1 << 40
	return all
}

// What headers are made of. The settings of tests name some of it.
var (
	domains = []string{"example.org", "news.example.org", "badexample.org", "example.com", "a.b.example.com", "b\u00fccher.example", "xn--bcher-kva.example", "EXAMPLE.net", "org", "localhost", "[192.0.2.1]", "-"}
	locals  = []string{"someone", "Some.One", "no-reply", "\"a b\"", "x+y", ""}
	phrases = []string{"hello", "[build] failed", "Re: [BUILD] ok", "=?utf-8?q?gr=C3=BC=C3=9Fe?=", "invoice 2026", "", " ", "\u20ac 5", "\xff"}
	lists   = []string{"Golang <golang-nuts.googlegroups.com>", "<dev.lists.example.org>", "plain.example.org", "<>", "<" + strings.Repeat("long.", 20) + "example>", "<\u00fcber.example>", "<a/b.example>"}
	posts   = []string{"<mailto:dev@lists.example.org>", "NO", "NO (posting not allowed)", "no", ""}
	ranks   = []string{"bulk", "Bulk", "list", "junk", "first-class", "bulky", "bulk "}
	autos   = []string{"auto-generated", "auto-notified; owner-email=x", "auto-replied", "no", "Auto-Generated", "auto-generate", "auto-notifieds", "auto-xenerated", "nauto-generate"}
	results = []string{"mx.example.net; dmarc=pass header.from=example.org", "mx.example.net; dmarc=fail", "mx.example.net; spf=pass; dmarc=none", "other.example; dmarc=pass", "mx.example.net (dmarc=pass); dmarc=fail"}
)

// Made yields n messages made up from what headers are made of, the same ones
// for the same seed.
func Made(seed uint64, n int) iter.Seq[*Message] {
	return func(yield func(*Message) bool) {
		r := rand.New(rand.NewPCG(seed, 1))
		for range n {
			if !yield(made(r)) {
				return
			}
		}
	}
}

func made(r *rand.Rand) *Message {
	var b strings.Builder
	one := func(of []string) string { return of[r.IntN(len(of))] }
	address := func() string { return fmt.Sprintf("%s <%s@%s>", one(phrases), one(locals), one(domains)) }
	some := func(in int, name string, value func() string) {
		if r.IntN(in) == 0 {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value())
		}
	}
	some(3, "Authentication-Results", func() string { return one(results) })
	if r.IntN(20) > 0 {
		fmt.Fprintf(&b, "From: %s\r\n", address())
	}
	some(50, "From", address)
	some(2, "To", address)
	some(6, "Delivered-To", address)
	some(6, "Reply-To", address)
	if r.IntN(10) > 0 {
		fmt.Fprintf(&b, "Subject: %s%s\r\n", one(phrases), strings.Repeat(" more", r.IntN(4)))
	}
	some(4, "List-Id", func() string { return one(lists) })
	some(4, "List-Unsubscribe", func() string { return "<https://example.org/" + one(locals) + ">" })
	some(5, "List-Post", func() string { return one(posts) })
	some(4, "Precedence", func() string { return one(ranks) })
	some(3, "Auto-Submitted", func() string { return one(autos) })
	some(2, "Message-ID", func() string { return fmt.Sprintf("<%d@%s>", r.IntN(1000), one(domains)) })
	some(2, "Date", func() string {
		return time.Unix(int64(r.IntN(2_000_000_000)), 0).UTC().Format(time.RFC1123Z)
	})
	b.WriteString("\r\n")
	size := int64(1) << r.IntN(30)
	return &Message{
		Raw: []byte(b.String()),
		Ref: mail.Ref{Size: size - 1 + int64(r.IntN(3)), UID: 1, Folder: one([]string{"INBOX", "Archive", ""})},
		Box: field.Mailbox{Name: "Work", Authserv: [][]string{nil, {"mx.example.net"}}[r.IntN(2)]},
	}
}
