package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Fault is one thing wrong with the configuration.
type Fault struct {
	Key    string // the variable, or the place in the file
	What   string // what is wrong; never a secret
	Remedy string // what to do
}

func (f Fault) Error() string { return f.Key + ": " + f.What + ": " + f.Remedy }

// Faults is everything wrong with the configuration, one line each. It is the
// type of every error of this package; a command that meets it exits with 2.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// err avoids the typed nil.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// wrong is what a parser says about a text: what and remedy, without the key.
type wrong struct{ what, remedy string }

// quote shows a value that is no secret, short and printable.
func quote(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

func wrongf(remedy, format string, args ...any) *wrong {
	return &wrong{fmt.Sprintf(format, args...), remedy}
}

// nearest gives the known name with the least edit distance to name.
func nearest(name string, known []string) string {
	best, least := "", -1
	for _, k := range known {
		if d := distance(name, k); least < 0 || d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's, over octets: names are ASCII.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
