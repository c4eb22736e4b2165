package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the results as sections with tables, to be pasted.
func Markdown(w io.Writer, results []Result) {
	for _, r := range results {
		fmt.Fprintf(w, "\n## %s\n\n%s\n\n", r.Scenario, r.About)
		for _, line := range r.Circumstances() {
			fmt.Fprintf(w, "- %s\n", line)
		}
		if len(r.Figures) > 0 {
			fmt.Fprintln(w, "\n| Figure | Measured | Beside | Target | |")
			fmt.Fprintln(w, "|---|---:|---|---|---|")
			for _, f := range r.Figures {
				verdict := f.Verdict()
				if verdict != "" && !f.Passed() {
					verdict = "**" + verdict + "**"
				}
				row(w, []string{f.Name, f.Text(), f.BesideText(), f.Wanted(), verdict})
			}
		}
		for _, t := range r.Tables {
			fmt.Fprintf(w, "\n%s\n\n", t.Title)
			row(w, t.Header)
			fmt.Fprintln(w, "|"+strings.Repeat("---|", len(t.Header)))
			for _, cells := range t.Rows {
				row(w, cells)
			}
		}
		for _, n := range r.Notes {
			fmt.Fprintf(w, "\n%s\n", n)
		}
	}
}

func row(w io.Writer, cells []string) {
	fmt.Fprint(w, "|")
	for _, c := range cells {
		fmt.Fprintf(w, " %s |", strings.ReplaceAll(c, "|", `\|`))
	}
	fmt.Fprintln(w)
}

// Circumstances are what must be known to judge the figures.
func (r Result) Circumstances() (lines []string) {
	add := func(what, value string) {
		if value != "" {
			lines = append(lines, what+": "+value)
		}
	}
	if r.Command != "" {
		add("command", "`"+r.Command+"`")
	}
	add("machine", r.Machine.String())
	add("store", r.Store)
	add("offered load", r.Offered)
	if r.Steady > 0 {
		add("steady state", Number(r.Steady)+" s")
	}
	return lines
}

// Missed counts the targets that were not reached.
func Missed(results []Result) (n int) {
	for _, r := range results {
		for _, f := range r.Figures {
			if !f.Passed() {
				n++
			}
		}
	}
	return n
}
