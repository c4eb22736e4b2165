package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Result of one scenario.
type Result struct {
	Scenario string   `json:"scenario"`
	About    string   `json:"about"`
	Command  string   `json:"command"`
	Machine  Machine  `json:"machine"`
	Store    string   `json:"store"`
	Offered  string   `json:"offered"`                  // the load, in words
	Steady   float64  `json:"steady_seconds,omitempty"` // of the steady state that was measured
	Figures  []Figure `json:"figures"`
	Tables   []Table  `json:"tables,omitempty"`
	Charts   []Chart  `json:"charts,omitempty"`
	Notes    []string `json:"notes,omitempty"`
}

// Figure is one measured value.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Beside names what stands next to it: the bare pipe or the physical limit
	// of the same run.
	Beside      string  `json:"beside,omitempty"`
	BesideValue float64 `json:"beside_value,omitempty"`
	Target      *Target `json:"target,omitempty"`
	Missing     bool    `json:"missing,omitempty"` // a target that no figure answers
}

// Target is what a figure should reach: at most, at least, or both.
type Target struct {
	Figure  string   `json:"figure"`
	AtMost  *float64 `json:"at_most,omitempty"`
	AtLeast *float64 `json:"at_least,omitempty"`
}

// Table has figures of many cases side by side.
type Table struct {
	Title  string     `json:"title"`
	Header []string   `json:"header"`
	Rows   [][]string `json:"rows"`
}

// Add adds figures. One that is no number, since it was divided by what did
// not happen, counts as not measured.
func (r *Result) Add(figures ...Figure) {
	for _, f := range figures {
		if math.IsNaN(f.Value) || math.IsInf(f.Value, 0) {
			f.Value, f.Missing = 0, true
		}
		if math.IsNaN(f.BesideValue) || math.IsInf(f.BesideValue, 0) {
			f.Beside, f.BesideValue = "", 0
		}
		r.Figures = append(r.Figures, f)
	}
}

// Note adds a sentence that a reader of the figures should know.
func (r *Result) Note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Judge gives each target to the figure of its name. A target whose figure
// was not measured is added as one that is missing.
func (r *Result) Judge(targets []Target) {
	for _, t := range targets {
		found := false
		for i := range r.Figures {
			if r.Figures[i].Name == t.Figure {
				r.Figures[i].Target, found = &t, true
			}
		}
		if !found {
			r.Figures = append(r.Figures, Figure{Name: t.Figure, Target: &t, Missing: true})
		}
	}
}

// Passed reports whether the figure reaches its target; true without one.
func (f Figure) Passed() bool {
	t := f.Target
	switch {
	case t == nil:
		return !f.Missing
	case f.Missing:
		return false
	}
	return (t.AtMost == nil || f.Value <= *t.AtMost) && (t.AtLeast == nil || f.Value >= *t.AtLeast)
}

// Verdict is a word for it; empty without a target.
func (f Figure) Verdict() string {
	switch {
	case f.Target == nil:
		return ""
	case f.Missing:
		return "not measured"
	case f.Passed():
		return "pass"
	}
	return "miss"
}

// Text is the value with its unit.
func (f Figure) Text() string {
	if f.Missing {
		return "–"
	}
	return withUnit(f.Value, f.Unit)
}

// BesideText is what stands beside it; empty if nothing does.
func (f Figure) BesideText() string {
	if f.Beside == "" {
		return ""
	}
	return f.Beside + ": " + withUnit(f.BesideValue, f.Unit)
}

// Wanted is the target in words; empty without one.
func (f Figure) Wanted() string {
	if f.Target == nil {
		return ""
	}
	var parts []string
	if t := f.Target.AtLeast; t != nil {
		parts = append(parts, "≥ "+withUnit(*t, f.Unit))
	}
	if t := f.Target.AtMost; t != nil {
		parts = append(parts, "≤ "+withUnit(*t, f.Unit))
	}
	return strings.Join(parts, " and ")
}

func withUnit(v float64, unit string) string {
	if unit == "" {
		return Number(v)
	}
	if unit == "%" {
		return Number(v) + " %"
	}
	return Number(v) + " " + unit
}

// Number writes v with about four digits, and all of a whole number.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v == math.Trunc(v) && a < 1e15:
		return thousands(strconv.FormatInt(int64(v), 10))
	case a >= 1000:
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100:
		return fixed(v, 1)
	case a >= 1:
		return fixed(v, 2)
	case a >= 0.01:
		return fixed(v, 4)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// fixed writes so many digits behind the point, without zeros at the end.
func fixed(v float64, digits int) string {
	s := strconv.FormatFloat(v, 'f', digits, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// thousands puts commas into a whole number.
func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
