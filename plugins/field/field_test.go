package field_test

import (
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/plugins/field"
)

func of(raw string, ref mail.Ref, box field.Mailbox) *field.Facts {
	return field.Of(mail.ParseHeader([]byte(raw+"\r\n\r\n")), ref, &box)
}

func TestFieldsComeInOneNormalForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id   field.ID
		raw  string
		want string // "-": absent
	}{
		{field.FromDomain, "From: X <a@Bücher.Example>", "xn--bcher-kva.example"},
		{field.FromDomain, "From: X <a@localhost>", "-"},
		{field.FromDomain, "From: X <>\r\nReturn-Path: <>", "-"},
		{field.FromAddress, "From: \"evil@other.example\" <Real.Name@Example.ORG>", "real.name@example.org"},
		{field.FromAddress, "From: a@example.org, b@example.org", "a@example.org"},
		{field.FromAddress, "From: =?utf-8?Q?J=C3=B6rg?= <j@b\xc3\xbccher.example>", "j@xn--bcher-kva.example"},
		{field.FromAddress, "From: nobody", "-"},
		{field.FromName, "From: =?utf-8?Q?J=C3=B6rg_M=2E?= <j@example.org>", "Jörg M."},
		{field.FromName, "From: j@example.org", "-"},
		{field.ListID, "List-Id: The List <The.List.example.org>", "the.list.example.org"},
		{field.ListID, "List-Id: list.example.org", "list.example.org"},
		{field.Subject, "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n =?utf-8?Q?_da?=", "Grüße da"},
		{field.Subject, "Subject: =?x-unknown?Q?a?=", "=?x-unknown?Q?a?="},
		{field.Subject, "Subject:", ""},
		{field.Subject, "X: 1", "-"},
		{field.Subject, "Subject: a\x00b\x1b[31mc\xff", "ab[31mc\ufffd"},
		{field.To, "To: undisclosed-recipients:;", "-"},
		{field.To, "To: A <a@example.org>, b@example.org", "a@example.org"},
		{field.DeliveredTo, "Delivered-To: me@example.org\r\nDelivered-To: other@example.org", "me@example.org"},
		{field.ReplyToDomain, "Reply-To: list@lists.example.org", "lists.example.org"},
		{field.MailboxName, "", "Work"},
		{field.SourceFolder, "", "INBOX/Ü"},
		{field.ListUnsubscribe, "List-Unsubscribe: <mailto:x@example.org>", "1"},
		{field.ListUnsubscribe, "", ""},
		{field.Precedence, "Precedence: Bulk", "bulk"},
		{field.AutoSubmitted, "Auto-Submitted: Auto-Replied ; owner=x", "auto-replied"},
		{field.MessageIDDomain, "Message-ID: <x@y@Mail.Example.org>", "mail.example.org"},
		{field.MessageIDDomain, "Message-ID: <x>", "-"},
		{99, "", "-"},
		{0, "", "-"},
	} {
		f := of(c.raw, mail.Ref{Folder: "INBOX/Ü"}, field.Mailbox{Name: "Work"})
		for range 2 { // the second time it is remembered
			got, present := f.Value(c.id)
			if !present {
				got = "-"
			}
			if got != c.want {
				t.Errorf("%v of %q = %q, want %q", c.id, c.raw, got, c.want)
			}
		}
	}
}

func TestNamesAndNumbersOfFieldsAgree(t *testing.T) {
	t.Parallel()
	for id := field.FromDomain; id <= field.MessageIDDomain; id++ {
		if id.String() == "" || field.Named(id.String()) != id {
			t.Errorf("field %d is called %q", id, id)
		}
	}
	if field.Named("") != 0 || field.Named("body") != 0 || field.ID(99).String() != "" {
		t.Error("there are fields that do not exist")
	}
}

func TestResultsAreBelievedFromTrustedServersOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, raw string
		trust     []string
		dkim, spf int64
	}{
		{name: "trusted", raw: "Authentication-Results: mx.example.org; dkim=pass header.d=a; spf=fail", trust: []string{"MX.example.org"}, dkim: 1, spf: 2},
		{name: "nobody is trusted", raw: "Authentication-Results: mx.example.org; dkim=pass"},
		{name: "another server", raw: "Authentication-Results: evil.example; dkim=pass", trust: []string{"mx.example.org"}},
		{name: "the upper one counts", raw: "Authentication-Results: mx.example.org; dkim=fail\r\nAuthentication-Results: mx.example.org; dkim=pass", trust: []string{"mx.example.org"}, dkim: 2},
		{name: "in a comment", raw: "Authentication-Results: mx.example.org (; dkim=pass); spf=none", trust: []string{"mx.example.org"}},
		{name: "with version and space", raw: "Authentication-Results: mx.example.org 1;\r\n dkim=pass (good) header.d=a", trust: []string{"mx.example.org"}, dkim: 1},
		{name: "empty", raw: "Authentication-Results:", trust: []string{"mx.example.org"}},
	} {
		f := of(c.raw, mail.Ref{}, field.Mailbox{Authserv: c.trust})
		if dkim, spf := f.Number(field.DKIM), f.Number(field.SPF); dkim != c.dkim || spf != c.spf {
			t.Errorf("%s: dkim %d, spf %d, want %d, %d", c.name, dkim, spf, c.dkim, c.spf)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	f := of("Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nTo: a@example.org, b@example.org\r\nCc: c@example.org\r\nList-Post: x", mail.Ref{Size: 9}, field.Mailbox{})
	for id, want := range map[field.Number]int64{
		field.Size: 9, field.Date: 1767225600, field.ReceivedAt: -1, field.Recipients: 3, field.HasListHeaders: 1, field.DMARC: 0, field.ABIMinor: 0, 0: -1, 99: -1,
	} {
		if got := f.Number(id); got != want {
			t.Errorf("number %d = %d, want %d", id, got, want)
		}
	}
	if got := of("X: 1", mail.Ref{}, field.Mailbox{}).Number(field.Date); got != -1 {
		t.Errorf("date of none = %d", got)
	}
}

// check holds what plugins may rely on, whatever a message looks like.
func check(t *testing.T, name string, raw []byte) {
	t.Helper()
	f := field.Of(mail.ParseHeader(raw), mail.Ref{}, &field.Mailbox{Authserv: []string{"x"}})
	values := map[string]string{}
	for id := field.FromDomain; id <= field.MessageIDDomain; id++ {
		values[id.String()], _ = f.Value(id)
	}
	values["header"], _ = f.Header("Received", 0)
	for what, v := range values {
		if len(v) > field.MaxValue || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
			t.Errorf("%s: %s is %d octets of %q", name, what, len(v), v)
		}
	}
	for id := field.Size; id <= field.ABIMinor; id++ {
		f.Number(id)
	}
	if a, d := values["from_address"], values["from_domain"]; a != "" && !strings.HasSuffix(a, "@"+d) {
		t.Errorf("%s: address %q and domain %q of the sender differ", name, a, d)
	}
}

func TestTheCorpusHasPlainFields(t *testing.T) {
	t.Parallel()
	for _, m := range testkit.Odd() {
		check(t, m.Name, m.Raw)
	}
	for _, path := range testkit.Corpus() {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		check(t, path, raw)
	}
}

func FuzzFields(f *testing.F) {
	for _, m := range testkit.Odd() {
		if len(m.Raw) < 4096 {
			f.Add(m.Raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) { check(t, "fuzz", raw) })
}
