package chart

import (
	"encoding/xml"
	"errors"
	"flag"
	"html/template"
	"io"
	"math"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the drawings in testdata anew")

func TestDrawingsAreThoseInTestdata(t *testing.T) {
	t.Parallel()
	none := math.NaN()
	c := Chart{ID: "x", Title: "Imported", Desc: "12 in all", Top: 10, Hint: func(_, step int) string { return strings.Repeat("|", step) }}
	bare := Chart{ID: "y", Title: "Delay", Desc: "of two", Top: 4}
	for name, got := range map[string]template.HTML{
		"bars":       c.Bars(Series{0, 1, 5, 10, 20, none, 0.001, -3}),
		"lines":      bare.Lines(Series{none, 1, 2, none, 4, none, 1, 1}, Series{2, 2, none, none, none, none, none, 8}),
		"strip":      c.Strip([]string{"", "imported", "skipped", "failed", "refused", "doubtful", "odd"}, []string{"imported", "skipped", "failed", "refused", "doubtful"}),
		"nothing":    bare.Bars(nil),
		"no-lines":   bare.Lines(),
		"no-strip":   bare.Strip(nil, nil),
		"hostile":    Chart{ID: `"><script>`, Title: `</title><script>alert(1)</script>`, Desc: `<img src=x>`, Top: 1, Hint: func(int, int) string { return `</title><script>` }}.Bars(Series{1}),
		"absurd":     Chart{ID: "z", Top: 1}.Lines(Series{math.Inf(1), math.MaxFloat64, -math.MaxFloat64, math.Inf(-1)}),
		"one-strip":  bare.Strip([]string{"imported"}, []string{"imported"}),
		"one-column": bare.Bars(Series{4}),
	} {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".svg"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s is not what is drawn; look at it after go test -update\ngot %s", file, got)
			}
			wellFormed(t, string(got))
		})
	}
}

// wellFormed wants XML that has nothing but drawings in it.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if !strings.Contains(" svg title desc path rect polyline ", " "+e.Name.Local+" ") {
			t.Errorf("there is a %s in it", e.Name.Local)
		}
		for _, a := range e.Attr {
			if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
				t.Errorf("%s has %s=%q", e.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

func TestTopIsRoundAndNotBelow(t *testing.T) {
	t.Parallel()
	for want, s := range map[float64]Series{1: nil, 2: {2, 1}, 5: {3, math.NaN()}, 10: {7}, 200: {101}, 0.5: {0.3}, 1e12: {9e11}} {
		if got := Top(s); math.Abs(got-want) > want*1e-9 {
			t.Errorf("Top(%v) = %v, want %v", s, got, want)
		}
	}
	if got := Top(Series{0, -1}, Series{math.Inf(1)}); got != 1 {
		t.Errorf("got %v", got)
	}
	if got := Top(Series{1}, Series{40}); got != 50 {
		t.Errorf("got %v", got)
	}
}
