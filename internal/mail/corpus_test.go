package mail_test

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

var loggable = regexp.MustCompile(`^([a-z0-9.-]{1,253}|\[[0-9a-f.:]+\])$`)

// check holds what must be true of every header, and gives its domain.
func check(t *testing.T, name string, raw []byte) string {
	t.Helper()
	h := mail.ParseHeader(raw)
	domain, multiple := h.SenderDomain()
	if !loggable.MatchString(domain) {
		t.Errorf("%s: domain %q may not be logged", name, domain)
	}
	if h.Count("From") > 1 && !multiple {
		t.Errorf("%s: several From go unnoticed", name)
	}
	if (h.Get("From") != "") && h.Count("From") == 0 {
		t.Errorf("%s: a From that is not counted", name)
	}
	if !bytes.HasPrefix(raw, h.Raw()) {
		t.Errorf("%s: Raw is not what the message starts with", name)
	}
	if end := mail.HeaderEnd(raw); end >= 0 && end != len(h.Raw()) || end < 0 && len(h.Raw()) != len(raw) {
		t.Errorf("%s: HeaderEnd %d, Raw %d octets", name, end, len(h.Raw()))
	}
	return domain
}

func TestOddMailIsRead(t *testing.T) {
	t.Parallel()
	for _, m := range testkit.Odd() {
		domain := check(t, m.Name, m.Raw)
		if none := domain == mail.DomainUnknown; none && !m.GmailRefuses {
			t.Errorf("%s: no domain found", m.Name)
		}
	}
}

func TestCorpusIsRead(t *testing.T) {
	t.Parallel()
	paths := testkit.Corpus()
	if len(paths) == 0 {
		t.Skip("no ../shared/corpus beside the module")
	}
	var none, several, noFrom, noDate, invalid int
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h := mail.ParseHeader(raw)
		switch check(t, path, raw) {
		case mail.DomainUnknown, mail.DomainBounce:
			none++
		case mail.DomainInvalid:
			invalid++
			t.Logf("%s: invalid domain in From %q", path, h.Get("From"))
		}
		switch n := h.Count("From"); {
		case n == 0:
			noFrom++
		case n > 1:
			several++
		}
		if _, ok := h.Date(); !ok {
			noDate++
			if d := h.Get("Date"); d != "" {
				t.Logf("%s: no date in %q", path, d)
			}
		}
	}
	t.Logf("%d messages: no From %d, several From %d, no date %d, no domain %d, invalid domain %d", len(paths), noFrom, several, noDate, none, invalid)
	// Counted by the corpus's own README: 42 have no From, 1 has several.
	if noFrom > 50 || several > 5 {
		t.Errorf("no From in %d, several in %d: more than the corpus has", noFrom, several)
	}
}
