package mail

import (
	"bytes"
	"strings"
	"testing"
)

func TestHeaderFieldsAreFoundInRealMail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, raw, want string }{
		{"CRLF", "X: 1\r\nSubject: s\r\n\r\nbody", "s"},
		{"bare LF", "X: 1\nSubject: s\n\nbody", "s"},
		{"mixed line ends", "X: 1\nSubject: s\r\n\nbody", "s"},
		{"lone CR where there is no LF", "X: 1\rSubject: s\r\rSubject: body", "s"},
		{"lone CR is no line end beside LF", "X: 1\rSubject: hidden\nSubject: s\n\n", "s"},
		{"CR CR LF", "X: 1\r\r\nSubject: s\r\r\n\r\r\n", "s"},
		{"BOM first", "\xef\xbb\xbfSubject: s\r\n\r\n", "s"},
		{"mbox From line", "From x@y Tue Mar  3 10:00:00 2026\nSubject: s\n\n", "s"},
		{"BOM and mbox From line", "\xef\xbb\xbfFrom x@y Tue Mar  3 10:00:00 2026\nSubject: s\n\n", "s"},
		{"escaped mbox From line", ">From x@y Tue Mar  3 10:00:00 2026\nSubject: s\n\n", "s"},
		{"line without colon", "junk\r\nSubject: s\r\n\r\n", "s"},
		{"line without name", ": junk\r\n : junk\r\nSubject: s\r\n\r\n", "s"},
		{"leading continuation", " Subject: not this\r\nSubject: s\r\n\r\n", "s"},
		{"spaces before the colon", "Subject \t : s\r\n\r\n", "s"},
		{"no space after the colon", "Subject:s\r\n\r\n", "s"},
		{"any case", "sUBJECT: s\r\n\r\n", "s"},
		{"first of several", "Subject: s\r\nSubject: t\r\n\r\n", "s"},
		{"folded", "Subject: a\r\n b\r\n\tc \r\n\r\n", "a b\tc"},
		{"folded before the value", "Subject:\r\n s\r\n\r\n", "s"},
		{"folded with a line of spaces", "Subject: a\r\n   \r\n b\r\n\r\n", "a    b"},
		{"no blank line", "Subject: s", "s"},
		{"fold at the very end", "Subject: s\r\n ", "s"},
		{"NUL in a name", "Sub\x00ject: no\r\nSubject: s\r\n\r\n", "s"},
		{"NUL in a value", "Subject: a\x00b\r\n\r\n", "a\x00b"},
		{"8-bit value", "Subject: \xfc\r\n\r\n", "\xfc"},
		{"8-bit name", "S\xfcbject: no\r\nSubject: s\r\n\r\n", "s"},
		{"encoded word stays", "Subject: =?utf-8?Q?x?=\r\n\r\n", "=?utf-8?Q?x?="},
		{"only in the body", "X: 1\r\n\r\nSubject: s\r\n", ""},
		{"blank line first", "\r\nSubject: s\r\n\r\n", ""},
		{"name is a prefix", "Subject-X: s\r\n\r\n", ""},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ParseHeader([]byte(c.raw)).Get("subject"); got != c.want {
				t.Errorf("Get = %q, want %q", got, c.want)
			}
		})
	}
}

func TestEveryFieldOfANameIsCounted(t *testing.T) {
	t.Parallel()
	h := ParseHeader([]byte("From: a\r\nfrom : b\r\nX: From: c\r\n From: d\r\nFROM:\r\n\r\nFrom: e\r\n"))
	if got, want := h.Count("From"), 3; got != want {
		t.Errorf("Count = %d, want %d", got, want)
	}
}

func TestHeaderKeepsTheOctetsOfItsSectionAndNoBody(t *testing.T) {
	t.Parallel()
	const section = "\xef\xbb\xbfjunk\nFrom:\x00 \xff\r\r\n\r\n"
	h := ParseHeader([]byte(section + "body\r\n\r\n"))
	if got := string(h.Raw()); got != section {
		t.Errorf("Raw = %q, want %q", got, section)
	}
	if h.Truncated() {
		t.Error("a new header is marked as truncated")
	}
	h.SetTruncated()
	if !h.Truncated() {
		t.Error("SetTruncated was forgotten")
	}
}

func TestHeaderEndIsAfterTheFirstBlankLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw  string
		want int
	}{
		{"", -1},
		{"A: b", -1},
		{"A: b\r\n", -1},
		{"A: b\r\n\r", -1},
		{"A: b\r\n\r\n", 8},
		{"A: b\r\n\r\nbody\r\n\r\n", 8},
		{"A: b\n\nbody", 6},
		{"A: b\r\n\nbody", 7},
		{"A: b\n\r\nbody", 7},
		{"A: b\r\n\r\r\nbody", 9},
		{"A: b\r\n \r\n\r\nbody", 11}, // a line of spaces continues the field
		{"A: b\r\rbody\r\rmore", -1},  // a lone CR ends no line
		{"\r\nbody", 2},
		{"\nbody", 1},
		{"\xef\xbb\xbf\r\nbody", 5},
	} {
		if got := HeaderEnd([]byte(c.raw)); got != c.want {
			t.Errorf("HeaderEnd(%q) = %d, want %d", c.raw, got, c.want)
		}
	}
}

func TestHostileHeadersAreRead(t *testing.T) {
	t.Parallel()
	tail := "Subject: s\r\n\r\n"
	for name, junk := range map[string]string{
		"300 KB header":      strings.Repeat("X-Filler: "+strings.Repeat("f", 68)+"\r\n", 4000),
		"1 MB line":          "X: " + strings.Repeat("l", 1<<20) + "\r\n",
		"1 MB without colon": strings.Repeat("l", 1<<20) + "\r\n",
		"1 MB of spaces":     "X" + strings.Repeat(" ", 1<<20) + "\r\n",
		"100,000 lines":      strings.Repeat("A: b\r\n", 100_000),
		"100,000 folds":      "A: b\r\n" + strings.Repeat(" \r\n", 100_000),
	} {
		h := ParseHeader([]byte(junk + tail))
		if got := h.Get("Subject"); got != "s" {
			t.Errorf("%s: Get = %q, want s", name, got)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		"From: a@b.example\r\n\r\nbody", "From x\n\xef\xbb\xbf: \n\n", "\xef\xbb\xbf\n", "A:\r B:\r\r", " A\r\n\tB :\x00\r\n", "A: b\r\n \r\n\r\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole := HeaderEnd(raw)
		for n := range min(len(raw), 100) { // an answer never changes when more arrives
			if got := HeaderEnd(raw[:n]); got >= 0 && got != whole {
				t.Fatalf("HeaderEnd = %d after %d octets, %d in the end", got, n, whole)
			}
		}
		h := ParseHeader(raw)
		if !bytes.HasPrefix(raw, h.Raw()) {
			t.Fatal("Raw is not what the message starts with")
		}
		fields := 0
		for name, value := range h.fields() {
			fields++
			if got := h.Get(string(name)); strings.ContainsAny(got, "\r\n") {
				t.Fatalf("line end in value %q", got)
			}
			if h.Count(string(name)) == 0 {
				t.Fatalf("field %q is not counted", name)
			}
			if len(value) > len(raw) || fields > 50 {
				break
			}
		}
		if d, _ := h.SenderDomain(); !loggable(d) {
			t.Fatalf("domain %q", d)
		}
		h.Date()
	})
}

// ordinary is a header section of about 5 KB, as a mail that came through
// several hosts has.
func ordinary() []byte {
	var b bytes.Buffer
	for range 12 {
		b.WriteString("Received: from mx1.old.example (mx1.old.example [192.0.2.7])\r\n\tby mail.old.example (Postfix) with ESMTPS id 4Xb2cD1zzz\r\n" +
			"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\tfor <me@old.example>; Tue,  3 Mar 2026 10:00:00 +0000 (UTC)\r\n")
		b.WriteString("X-Received-Note: " + strings.Repeat("n", 80) + "\r\n")
	}
	b.WriteString("Message-ID: <1@old.example>\r\nDate: Tue, 3 Mar 2026 10:00:00 +0000\r\nFrom: \"Sender, Some\" <some.sender@old.example>\r\n" +
		"To: me@old.example\r\nSubject: an ordinary mail\r\n\r\n")
	return b.Bytes()
}

// Everything a pass wants to know of a header: four values, date, domain.
func BenchmarkHeader(b *testing.B) {
	raw := ordinary()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		h := ParseHeader(raw)
		for _, name := range []string{"Message-ID", "From", "Received", "Subject"} {
			if h.Get(name) == "" {
				b.Fatal(name)
			}
		}
		if _, ok := h.Date(); !ok {
			b.Fatal("date")
		}
		if d, _ := h.SenderDomain(); d != "old.example" {
			b.Fatal(d)
		}
	}
}

func TestReadingAHeaderAllocatesLittle(t *testing.T) {
	raw := ordinary() // not parallel: it counts allocations
	got := testing.AllocsPerRun(100, func() {
		h := ParseHeader(raw)
		h.Get("Message-ID")
		h.SenderDomain()
	})
	// Measured 2026-11, Go 1.26.8, linux/amd64: 6.
	if got > 8 {
		t.Errorf("allocations = %v, want at most 8", got)
	}
}

func TestAllFieldsOfANameComeInTheirOrder(t *testing.T) {
	t.Parallel()
	h := ParseHeader([]byte("X: a\r\nY: no\r\nx: b\r\n c\r\nX:\r\n\r\nX: body\r\n"))
	var got []string
	for v := range h.All("X") {
		got = append(got, v)
	}
	if want := "a|b c|"; strings.Join(got, "|") != want {
		t.Errorf("All = %q, want %q", got, want)
	}
	for range h.All("X") {
		break // the rest is not wanted
	}
}
