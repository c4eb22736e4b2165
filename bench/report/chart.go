package report

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
)

// Chart is a few lines over one axis. The points are what the table behind it
// shows.
type Chart struct {
	Title  string   `json:"title"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	Log    bool     `json:"log,omitempty"` // of the Y axis
	Series []Series `json:"series"`
	// Ticks name the points of the X axis, 0, 1, 2 …; nil: it is a measure.
	Ticks []string `json:"ticks,omitempty"`
}

// Series is one line.
type Series struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Point of a line.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Named is a histogram with a name.
type Named struct {
	Name string
	*load.Histogram
}

// Distribution charts histograms by their percentiles, in milliseconds.
func Distribution(title string, of ...Named) Chart {
	c := Chart{Title: title, X: "percentile", Y: "ms", Log: true}
	for _, h := range of {
		s := Series{Name: h.Name}
		for i, m := range h.Marks() {
			if len(c.Ticks) <= i {
				c.Ticks = append(c.Ticks, "p"+Number(m.Quantile*100))
			}
			s.Points = append(s.Points, Point{float64(i), float64(m.Value) / float64(time.Millisecond)})
		}
		if len(s.Points) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}

// The drawing, in units of the SVG.
const (
	width, height = 720.0, 300.0
	left, bottom  = 72.0, 44.0
	top, right    = 12.0, 12.0
)

var colours = []string{"#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a"}

// SVG draws the chart. Its text is escaped, so that it may stand in HTML.
func (c Chart) SVG() string {
	var b strings.Builder
	a := c.axes()
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s" xmlns="http://www.w3.org/2000/svg">`, width, height, html.EscapeString(c.Title))
	a.draw(&b, c)
	for i, s := range c.Series {
		colour := colours[i%len(colours)]
		var line strings.Builder
		for _, p := range s.Points {
			x, y := a.place(p)
			fmt.Fprintf(&line, "%.1f,%.1f ", x, y)
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>`, colour, strings.TrimSpace(line.String()))
		if len(s.Points) <= 40 {
			for _, p := range s.Points {
				x, y := a.place(p)
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x, y, colour)
			}
		}
		fmt.Fprintf(&b, `<text x="%g" y="%g" fill="%s">%s</text>`, left+10, top+14+16*float64(i), colour, html.EscapeString(s.Name))
	}
	b.WriteString("</svg>")
	return b.String()
}

// axes map values to places.
type axes struct {
	minX, maxX, minY, maxY float64
	log                    bool
}

func (c Chart) axes() axes {
	a := axes{minX: math.Inf(1), maxX: math.Inf(-1), minY: math.Inf(1), maxY: math.Inf(-1), log: c.Log}
	for _, s := range c.Series {
		for _, p := range s.Points {
			a.minX, a.maxX = min(a.minX, p.X), max(a.maxX, p.X)
			a.minY, a.maxY = min(a.minY, a.scale(p.Y)), max(a.maxY, a.scale(p.Y))
		}
	}
	if math.IsInf(a.minX, 0) {
		a = axes{maxX: 1, maxY: 1}
	}
	if a.log {
		a.minY, a.maxY = math.Floor(a.minY), math.Ceil(a.maxY)
	} else {
		a.minY = min(a.minY, 0)
	}
	if a.maxX == a.minX {
		a.maxX++
	}
	if a.maxY == a.minY {
		a.maxY++
	}
	return a
}

// scale gives what is linear on the Y axis.
func (a axes) scale(y float64) float64 {
	if a.log {
		return math.Log10(max(y, 1e-3))
	}
	return y
}

func (a axes) place(p Point) (x, y float64) {
	x = left + (p.X-a.minX)/(a.maxX-a.minX)*(width-left-right)
	y = height - bottom - (a.scale(p.Y)-a.minY)/(a.maxY-a.minY)*(height-top-bottom)
	return x, y
}

// draw draws grid, ticks and names.
func (a axes) draw(b *strings.Builder, c Chart) {
	const steps = 5
	for i := range steps + 1 {
		y := a.minY + (a.maxY-a.minY)*float64(i)/steps
		value := y
		if a.log {
			value = math.Pow(10, y)
		}
		_, at := axes{0, 1, a.minY, a.maxY, false}.place(Point{0, y})
		fmt.Fprintf(b, `<line x1="%g" x2="%g" y1="%.1f" y2="%.1f" stroke="#8888" stroke-width="0.5"/>`, left, width-right, at, at)
		fmt.Fprintf(b, `<text x="%g" y="%.1f" text-anchor="end">%s</text>`, left-6, at+4, Number(value))
	}
	ticks := len(c.Ticks)
	if ticks == 0 {
		ticks = steps + 1
	}
	for i := range ticks {
		x, name := a.minX+(a.maxX-a.minX)*float64(i)/float64(max(ticks-1, 1)), ""
		if len(c.Ticks) > 0 {
			name = c.Ticks[i]
		} else {
			name = Number(x)
		}
		at, _ := a.place(Point{x, 1})
		fmt.Fprintf(b, `<text x="%.1f" y="%g" text-anchor="middle">%s</text>`, at, height-bottom+16, html.EscapeString(name))
	}
	fmt.Fprintf(b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`, (left+width-right)/2, height-6, html.EscapeString(c.X))
	fmt.Fprintf(b, `<text x="14" y="%g" text-anchor="middle" transform="rotate(-90 14 %g)">%s</text>`, (top+height-bottom)/2, (top+height-bottom)/2, html.EscapeString(c.Y))
}

// Rows are the points for the table behind the chart.
func (c Chart) Rows() Table {
	t := Table{Title: c.Title, Header: []string{"series", c.X, c.Y}}
	for _, s := range c.Series {
		for _, p := range s.Points {
			x := Number(p.X)
			if i := int(p.X); len(c.Ticks) > i && i >= 0 {
				x = c.Ticks[i]
			}
			t.Rows = append(t.Rows, []string{s.Name, x, Number(p.Y)})
		}
	}
	return t
}
