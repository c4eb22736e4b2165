package main

import (
	"fmt"
	"io"
)

// print writes the table, in Markdown, with each figure beside the bare pipe's.
func print(w io.Writer, s scenario, figures []Figure) {
	fmt.Fprintf(w, "\n%s: %s; SQLite store, synchronous=FULL, %d uploads in flight\n\n", s.name, s.about, parallel)
	fmt.Fprintln(w, "| way | network | program | messages | messages/s | MB/s | to bare pipe | CPU µs a message | to bare pipe | peak RSS MB |")
	fmt.Fprintln(w, "|---|---|---|---:|---:|---:|---:|---:|---:|---:|")
	var base Figure
	for _, f := range figures {
		if f.Program == bare {
			base = f
		}
		fmt.Fprintf(w, "| %s | %s | %s | %d | %.1f | %.1f | %.2f | %.0f | %.2f | %.1f |\n",
			f.Way, f.Network, f.Program, f.Messages, f.PerSecond, f.MBs, f.PerSecond/base.PerSecond,
			f.CPU, f.CPU/base.CPU, f.RSS)
	}
}
