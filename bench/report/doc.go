// Package report is what a run of the bench leaves behind: figures with what
// stands beside them and what was wanted, tables, and charts.
//
//	r.Add(report.Figure{Name: "p99", Value: 41, Unit: "ms", Beside: "two Gmail requests alone", BesideValue: 12})
//	r.Judge(targets)                  // each target finds its figure, or that is a miss too
//	report.Markdown(w, results)       // to paste into docs/performance.md
//	report.HTML(w, results)           // one file, SVG charts, no script, a table behind each
//
// A result says under what circumstances it came about: machine, store,
// offered load, how long the steady state was. A figure without a target
// judges nothing; a target without a figure has been missed.
package report
