package chart

import (
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Series are values, one for each step. NaN is a step that has none.
type Series []float64

// Chart is what all drawings have. ID is the prefix of the ids in it, and has
// to be another one for each drawing on a page.
type Chart struct {
	ID, Title, Desc string
	// Top is the value at the upper edge; see Top.
	Top float64
	// Hint gives what a mark says when it is pointed at; nil: nothing.
	Hint func(series, step int) string
}

const (
	width  = 960.0 // a step of a hundred has whole and half units
	height = 240.0
	least  = 2.0 // of a bar that is not nothing
)

// Top gives a round value that is not below any of the series: 1, 2 or 5 times
// a power of ten. Without values it is 1.
func Top(all ...Series) float64 {
	highest := 0.0
	for _, s := range all {
		for _, v := range s {
			if v > highest {
				highest = v
			}
		}
	}
	if highest <= 0 || math.IsInf(highest, 0) {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, m := range []float64{1, 2, 5} {
		if highest <= m*unit {
			return m * unit
		}
	}
	return 10 * unit
}

// Bars draws a bar for each value.
func (c Chart) Bars(s Series) template.HTML {
	w := c.begin()
	w.grid()
	step := width / float64(max(1, len(s)))
	for i, v := range s {
		if math.IsNaN(v) || v <= 0 {
			continue
		}
		h := max(least, c.scale(v))
		w.rect("bar", float64(i)*step+step*.1, height-h, step*.8, h, c.hint(0, i))
	}
	return w.end()
}

// Lines draws a line for each series, broken where there are no values; a value
// between two gaps is a dot. Their classes are line-0, line-1 and so on.
func (c Chart) Lines(all ...Series) template.HTML {
	w := c.begin()
	w.grid()
	for n, s := range all {
		class := "line line-" + strconv.Itoa(n)
		step := width / float64(max(1, len(s)))
		var run []float64
		flush := func() {
			if len(run) == 2 { // round caps make a dot of it
				w.line(class+" dot", append(run, run[0]+.01, run[1]))
			} else {
				w.line(class, run)
			}
			run = nil
		}
		for i, v := range s {
			if math.IsNaN(v) {
				flush()
				continue
			}
			run = append(run, (float64(i)+.5)*step, height-c.scale(v))
		}
		flush()
	}
	return w.end()
}

// Strip draws one mark for each word; their classes are the words. levels are
// the words by height, the lowest first; a word that is none of them is low.
func (c Chart) Strip(words, levels []string) template.HTML {
	const tall = 40.0
	w := c.canvas(tall)
	step := width / float64(max(1, len(words)))
	for i, word := range words {
		h, class := tall*.15, "nothing"
		for n, l := range levels {
			if l == word {
				h, class = tall*(.4+.6*float64(n)/float64(max(1, len(levels)-1))), word
			}
		}
		w.rect("mark "+class, float64(i)*step+step*.1, tall-h, step*.8, h, c.hint(0, i))
	}
	return w.end()
}

func (c Chart) scale(v float64) float64 { return height * min(1, max(0, v/c.Top)) }

func (c Chart) hint(series, step int) string {
	if c.Hint == nil {
		return ""
	}
	return c.Hint(series, step)
}

// writer writes a drawing.
type writer struct{ b strings.Builder }

func (c Chart) begin() *writer { return c.canvas(height) }

func (c Chart) canvas(tall float64) *writer {
	w := &writer{}
	id := html.EscapeString(c.ID)
	w.write(`<svg class="drawing" viewBox="0 0 `, number(width), " ", number(tall), `" preserveAspectRatio="none" role="img" aria-labelledby="`, id, `-t `, id, `-d">`,
		`<title id="`, id, `-t">`, html.EscapeString(c.Title), `</title><desc id="`, id, `-d">`, html.EscapeString(c.Desc), "</desc>\n")
	return w
}

func (w *writer) write(parts ...string) {
	for _, p := range parts {
		w.b.WriteString(p)
	}
}

// grid draws the upper edge, the half and the ground.
func (w *writer) grid() {
	for _, y := range []float64{0, height / 2, height} {
		w.write(`<path class="grid" d="M0 `, number(y), "H", number(width), "\"/>\n")
	}
}

func (w *writer) rect(class string, x, y, wide, tall float64, hint string) {
	w.write(`<rect class="`, html.EscapeString(class), `" x="`, number(x), `" y="`, number(y), `" width="`, number(wide), `" height="`, number(tall), `"`)
	if hint == "" {
		w.write("/>\n")
		return
	}
	w.write("><title>", html.EscapeString(hint), "</title></rect>\n")
}

func (w *writer) line(class string, points []float64) {
	if len(points) == 0 {
		return
	}
	w.write(`<polyline class="`, class, `" points="`)
	for i, p := range points {
		if i > 0 {
			w.write(" ")
		}
		w.write(number(p))
	}
	w.write("\"/>\n")
}

func (w *writer) end() template.HTML {
	w.write("</svg>")
	return template.HTML(w.b.String()) // all that came from outside is escaped
}

// number writes a coordinate: two digits are finer than any screen.
func number(v float64) string {
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}
