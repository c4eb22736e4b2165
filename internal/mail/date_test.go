package mail

import (
	"testing"
	"time"
)

func TestDateIsReadInEveryCommonForm(t *testing.T) {
	t.Parallel()
	const want = "2026-03-03T10:00:00Z"
	for _, c := range []struct{ date, want string }{
		{"Tue, 3 Mar 2026 10:00:00 +0000", want},
		{"Tue, 03 Mar 2026 11:00:00 +0100 (CET)", want},
		{"3 Mar 2026 10:00 +0000", want},
		{"Tue, 3 Mar 2026 10:00:00 GMT", want},
		{"Tue, 3 Mar 2026 10:00:00 UT", want},
		{"Tue, 3 Mar 2026 05:00:00 EST", want},
		{"Tue, 3 Mar 2026 03:00:00 PDT", want},
		{"Tue, 3 Mar 2026 11:00:00 +0100 CET", want},
		{"Tue, 3 Mar 2026 10:00:00 Z", want},
		{"Tue, 3 Mar 2026 10:00:00 XYZ", want},
		{"Tue, 3 Mar 2026 10:00:00", want},
		{"Tue, 3 Mar 2026 11:00:00 +01:00", want},
		{"Tue, 3 Mar 2026 11:00:00 GMT+0100", want},
		{"Tue, 3 Mar 26 10:00:00 +0000", want},
		{"Tue, 3 Mar 126 10:00:00 +0000", want},
		{"Tue Mar  3 10:00:00 2026", want},
		{"Tue Mar 3 05:00:00 EST 2026", want},
		{"Tuesday, March 3, 2026 10:00 AM", want},
		{"Tue, March 03 2026 10:00:00 AM +0000", want},
		{"Di, 3 Mar 2026 10:00:00 +0000", want},
		{"Tue,3 Mar 2026 10:00:00 +0000", want},
		{"03-Mar-2026 10:00:00", want},
		{"Tue, 03-Mar-26 10:00:00 GMT", want},
		{"Tue, 3rd Mar 2026 10:00:00", want},
		{"2026-03-03T10:00:00Z", want},
		{"2026-03-03T11:00:00+01:00", want},
		{"2026-03-03 10:00:00 +0000", want},
		{"2026-03-03 10:00:00", want},
		{"Tue,\r\n 3 Mar 2026 10:00:00\r\n\t+0000", want},
		{"Tue, 3 Mar 2026 10:0:0 +0000", want},
		{"Tue, (the (third) day) 3 Mar 2026 10:00:00 (GMT) +0000", want},
		{"3 Mar 2026", "2026-03-03T00:00:00Z"},
		{"Wed, 3 Sept 2025 10:00:00 PM", "2025-09-03T22:00:00Z"},
		{"Wed, 3 Sep 2025 12:30 AM", "2025-09-03T00:30:00Z"},
		// absurd, but dates
		{"Mon, 01 Jan 0001 00:00:00 +0000", "0001-01-01T00:00:00Z"},
		{"Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59Z"},
		// none
		{"", ""},
		{"yesterday", ""},
		{"Tue, 31 Feb 2026 10:00:00", ""},
		{"Tue, 3 Mar 2026 25:61:00", ""},
		{"Tue, 3 Mar", ""},
		{"Tue, 3 Foo 2026 10:00:00", ""},
		{"Tue, 3 Mar 20260 10:00:00", ""},
		{"99999999999999999999", ""},
		{"- - -", ""},
		{"(Tue, 3 Mar 2026 10:00:00 +0000)", ""},
	} {
		got := ""
		if d, ok := ParseHeader([]byte("Date: " + c.date + "\r\n\r\n")).Date(); ok {
			got = d.UTC().Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("Date: %q = %q, want %q", c.date, got, c.want)
		}
	}
}

func TestMissingDateIsNoDate(t *testing.T) {
	t.Parallel()
	if d, ok := ParseHeader([]byte("Subject: s\r\n\r\nDate: Tue, 3 Mar 2026 10:00:00 +0000\r\n")).Date(); ok {
		t.Errorf("Date = %v, want none", d)
	}
}
