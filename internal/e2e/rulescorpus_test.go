package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// reading is what the standard library makes of a header: a second opinion on
// the fields that rules are given. Mail of which it makes nothing plain is not
// compared.
type reading struct{ domain, list, subject, auto string }

var plainDomain = regexp.MustCompile(`^[a-z0-9.-]+\.[a-z]{2,}$`)

func read(raw []byte) (r reading, plain bool) {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return r, false
	}
	from, err := m.Header.AddressList("From")
	if err != nil || len(from) != 1 || len(m.Header["From"]) != 1 || len(m.Header["Subject"]) > 1 || len(m.Header["List-Id"]) > 1 {
		return r, false
	}
	r.domain = strings.ToLower(from[0].Address[strings.LastIndexByte(from[0].Address, '@')+1:])
	_, id, found := strings.Cut(m.Header.Get("List-Id"), "<")
	id, _, _ = strings.Cut(id, ">")
	r.list = strings.ToLower(strings.TrimSpace(id))
	r.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	r.auto = strings.ToLower(strings.TrimSpace(m.Header.Get("Auto-Submitted")))
	return r, err == nil && found == (m.Header.Get("List-Id") != "") && plainDomain.MatchString(r.domain) && len(r.list) < 90
}

// below reports a domain or one of its sub-domains.
func below(domain, of string) bool { return domain == of || strings.HasSuffix(domain, "."+of) }

var reply = regexp.MustCompile(`(?i)^re:`)

// TestTheCorpusWithFiveRules: of two thousand real messages each gets the labels
// that a second reading of its header says, or is skipped.
func TestTheCorpusWithFiveRules(t *testing.T) {
	raws := sample(t, true)
	blocked, boss := frequent(raws)
	want := map[string]string{} // by hash: the labels, or skipped
	for _, raw := range raws {
		r, plain := read(raw)
		if !plain {
			continue
		}
		sum := sha256.Sum256(crlf(raw))
		want[hex.EncodeToString(sum[:])] = r.labels(blocked, boss)
	}
	for _, protocol := range []string{"pop3", "imap"} {
		t.Run(protocol, func(t *testing.T) {
			d := serve(t, "ann", raws...) // each anew: POP3 leaves mail read
			ways := d.Ways()
			way := ways[slices.IndexFunc(ways, func(w dovecot.Way) bool { return w.Protocol == protocol && !w.StartTLS })]
			all := truth(t, d, way, "ann")
			in := install(t, gmailtest.Options{})
			box := in.at(scheme(way), "ann", password, way.Port, d.CA)
			r := in.sync(box, "--plugin", "skip-domains", "--set", "domains="+blocked,
				"--plugin", "label-by-list-id", "--set", "under=Lists", "--plugin", "mark-important-from", "--set", "domains="+boss,
				"--plugin", "mark-read-notifications", "--plugin", "subject-regex", "--set", "pattern=(?i)^re:", "--set", "action=star")
			if n := total(all); r.code != 0 || r.report.Listed != n || r.report.Imported+r.report.Skipped != n || r.report.Skipped == 0 {
				t.Errorf("exit %d, %+v of %d\n%s", r.code, r.report, n, r.stderr)
			}
			got := in.labelled()
			compared, kinds := 0, map[string]int{}
			for hash, labels := range want {
				if all[hash] == 0 {
					continue // the server gives it otherwise
				}
				compared++
				kinds[labels]++
				if is := got[hash]; is != labels {
					t.Errorf("a message of %s has the labels %q, want %q", hash[:8], is, labels)
				}
			}
			if compared < len(want)*3/4 {
				t.Errorf("%d of %d messages could be compared", compared, len(want))
			}
			t.Logf("%d of %d messages compared, %d skipped, %d different sets of labels", compared, len(all), r.report.Skipped, len(kinds))
		})
	}
}

func (r reading) labels(blocked, boss string) string {
	if below(r.domain, blocked) {
		return ""
	}
	labels := []string{"INBOX"}
	if r.auto != "auto-generated" && r.auto != "auto-notified" {
		labels = append(labels, "UNREAD")
	}
	if reply.MatchString(r.subject) {
		labels = append(labels, "STARRED")
	}
	if below(r.domain, boss) {
		labels = append(labels, "IMPORTANT")
	}
	if r.list != "" {
		labels = append(labels, "Lists/"+r.list)
	}
	slices.Sort(labels)
	return strings.Join(labels, " ")
}

// frequent gives the two domains from which most mail comes.
func frequent(raws [][]byte) (first, second string) {
	counts := map[string]int{}
	for _, raw := range raws {
		if r, plain := read(raw); plain {
			counts[r.domain]++
		}
	}
	for domain, n := range counts {
		switch {
		case first == "" || n > counts[first] || n == counts[first] && domain < first:
			first, second = domain, first
		case second == "" || n > counts[second] || n == counts[second] && domain < second:
			second = domain
		}
	}
	return first, second
}

// crlf is a message as a server gives it: with the line ends of the wire.
func crlf(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
