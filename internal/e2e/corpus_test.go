package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/testkit/rawclient"
)

const password = "correct horse"

// sample is the mail of the end-to-end tests: the corpus where it is found,
// and in any case mail of our own, ordinary and odd.
func sample(t testing.TB, corpus bool) (raws [][]byte) {
	t.Helper()
	for seed := range uint64(40) {
		raws = append(raws, testkit.Message(seed))
	}
	for _, odd := range testkit.Odd() {
		raws = append(raws, odd.Raw)
	}
	if !corpus {
		return raws
	}
	for _, path := range testkit.Corpus() {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	return raws
}

// serve starts a Dovecot with one user and this mail.
func serve(t testing.TB, name string, raws ...[]byte) *dovecot.Server {
	t.Helper()
	d := dovecot.Start(t)
	if err := d.AddUser(name, password); err != nil {
		t.Fatal(err)
	}
	if err := d.Deliver(name, "", raws...); err != nil {
		t.Fatal(err)
	}
	return d
}

// scheme of --source for one of Dovecot's ways.
func scheme(w dovecot.Way) string {
	if w.StartTLS {
		return w.Protocol
	}
	return w.Protocol + "s"
}

// truth asks an independent client what is at the source.
func truth(t testing.TB, d *dovecot.Server, w dovecot.Way, name string) map[string]int {
	t.Helper()
	sums, err := rawclient.Hashes(t.Context(), rawclient.Config{
		Protocol: w.Protocol, Addr: w.Addr(), StartTLS: w.StartTLS,
		TLS: d.CA.ClientConfig(d.Host), User: name, Password: password,
	})
	if err != nil {
		t.Fatalf("independent client: %v", err)
	}
	return sums
}

func total(sums map[string]int) (n int) {
	for _, k := range sums {
		n += k
	}
	return n
}

// TestEveryMessageOfTheCorpusArrivesByteForByte over POP3S, POP3+STLS, IMAPS
// and IMAP+STARTTLS, from a real Dovecot; a second run imports nothing. It is
// not parallel: one large maildrop at a time.
func TestEveryMessageOfTheCorpusArrivesByteForByte(t *testing.T) {
	d := serve(t, "ann", sample(t, true)...)
	for _, way := range d.Ways() {
		t.Run(way.Name, func(t *testing.T) {
			want := truth(t, d, way, "ann")
			in := install(t, gmailtest.Options{})
			box := in.at(scheme(way), "ann", password, way.Port, d.CA)
			n := total(want)
			in.sync(box).want(t, 0, report{Listed: n, Imported: n})
			once(t, in.gmail.Hashes(user), want)
			in.sync(box).want(t, 0, report{Listed: n, Already: n})
			once(t, in.gmail.Hashes(user), want)
			t.Logf("%s: %d messages arrived byte for byte, the second run imported 0", way.Name, n)
		})
	}
}

// TestWhatGmailRefusesIsListedWithItsReason: with the double's From check on,
// every message arrives or is said to be refused, and why.
func TestWhatGmailRefusesIsListedWithItsReason(t *testing.T) {
	d := serve(t, "ann", sample(t, true)...)
	for _, way := range d.Ways() {
		t.Run(way.Name, func(t *testing.T) {
			want := truth(t, d, way, "ann")
			in := install(t, gmailtest.Options{CheckFrom: true})
			box := in.at(scheme(way), "ann", password, way.Port, d.CA)
			r := in.sync(box)
			n := total(want)
			if r.code != 0 || r.report.Imported+r.report.Refused != n || r.report.Refused == 0 {
				t.Errorf("exit %d, %+v of %d\n%s", r.code, r.report, n, r.stderr)
			}
			var refusals int
			for line := range strings.Lines(r.stderr) {
				if strings.Contains(line, ": refused (gmail_") {
					refusals++
				}
			}
			if refusals != r.report.Refused {
				t.Errorf("%d refusals were listed with a reason, want %d", refusals, r.report.Refused)
			}
			for h, k := range in.gmail.Hashes(user) {
				if k > want[h] {
					t.Errorf("%s is in Gmail %d times, want %d", h, k, want[h])
				}
			}
			in.sync(box).want(t, 0, report{Listed: n, Already: r.report.Imported, Refused: r.report.Refused})
			t.Logf("%s: %d arrived, %d refused with a reason", way.Name, r.report.Imported, r.report.Refused)
		})
	}
}
