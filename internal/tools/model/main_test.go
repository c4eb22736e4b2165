package main

import "testing"

func TestReportOfTheVerifierIsReadStrictly(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, report, broken string
		fails                bool
	}{
		{"complete", "State-vector 100 byte, depth reached 9, errors: 0\n   218019 states, stored\n", "", false},
		{"assertion", "pan:1: assertion violated (copies[c]<=1) (at depth 9)\nWarning: Search not completed\nerrors: 1\n 41 states, stored\n", "(copies[c]<=1)", false},
		{"deadlock is no assertion", "pan:1: invalid end state (at depth 9)\nerrors: 1\n 41 states, stored\n", "", true},
		{"cut short", "Warning: Search not completed\nerrors: 0\n 41 states, stored\n", "", true},
		{"too deep", "error: max search depth too small\nerrors: 0\n 41 states, stored\n", "", true},
		{"nothing", "Segmentation fault\n", "", true},
	} {
		var r result
		r.read(row.report)
		if r.broken != row.broken || (r.err != nil) != row.fails {
			t.Errorf("%s: broken %q, error %v", row.name, r.broken, r.err)
		}
	}
}
