package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
)

func example() Result {
	h := load.NewHistogram()
	for i := range 1000 {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	r := Result{
		Scenario: "latency", About: "delivery <to> import", Command: "go run ./bench -scenario latency", Steady: 60,
		Machine: Machine{OS: "linux/amd64", Cores: 2, Memory: 24, Go: "go1.26", Commit: "abc"}, Store: "SQLite", Offered: "50 messages/s",
		Charts: []Chart{Distribution("How long it took", Named{"smtp-sync & co", h})},
		Tables: []Table{{Title: "By network", Header: []string{"network", "p50"}, Rows: [][]string{{"loop|back", "12.5"}}}},
	}
	r.Add(Figure{Name: "p50", Value: 12.5, Unit: "ms", Beside: "Gmail alone", BesideValue: 3.25},
		Figure{Name: "p99", Value: 260, Unit: "ms"}, Figure{Name: "lost", Value: 0})
	r.Note("measured on a %s machine", "quiet")
	limit, whole, none := 50.0, 250.0, 0.0
	r.Judge([]Target{{Figure: "p50", AtMost: &limit}, {Figure: "p99", AtMost: &whole}, {Figure: "lost", AtMost: &none}, {Figure: "doubled", AtMost: &none}})
	return r
}

func TestTargetsFindTheirFigures(t *testing.T) {
	t.Parallel()
	r := example()
	want := map[string]string{"p50": "pass", "p99": "miss", "lost": "pass", "doubled": "not measured"}
	for _, f := range r.Figures {
		if f.Verdict() != want[f.Name] {
			t.Errorf("%s: %q, want %q", f.Name, f.Verdict(), want[f.Name])
		}
	}
	if len(r.Figures) != 4 || Missed([]Result{r}) != 2 {
		t.Errorf("%d figures, %d missed", len(r.Figures), Missed([]Result{r}))
	}
	low, high := 0.99, 1.0
	both := Figure{Value: 0.995, Target: &Target{AtLeast: &low, AtMost: &high}}
	if !both.Passed() || both.Wanted() != "≥ 0.99 and ≤ 1" {
		t.Errorf("%v, %q", both.Passed(), both.Wanted())
	}
	r = Result{}
	r.Add(Figure{Name: "ratio", Value: math.NaN()}, Figure{Name: "rate", Value: 1, Beside: "limit", BesideValue: math.Inf(1)})
	r.Judge([]Target{{Figure: "ratio", AtMost: &high}})
	if _, err := json.Marshal(r); err != nil || r.Figures[0].Verdict() != "not measured" {
		t.Errorf("what is no number: %q, %v", r.Figures[0].Verdict(), err)
	}
}

func TestEveryFigureIsInEveryReport(t *testing.T) {
	t.Parallel()
	r := example()
	var md, page bytes.Buffer
	Markdown(&md, []Result{r})
	if err := HTML(&page, []Result{r}); err != nil {
		t.Fatal(err)
	}
	common := []string{"50 messages/s", "SQLite", "steady state: 60 s", "2 cores", "go1.26", "commit abc", "quiet machine", "12.5", "network"}
	for _, f := range r.Figures {
		common = append(common, f.Name, f.Text(), f.BesideText(), f.Wanted(), f.Verdict())
	}
	for name, text := range map[string]string{"Markdown": md.String(), "HTML": page.String()} {
		for _, want := range common {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
	if !strings.Contains(md.String(), "**miss**") || !strings.Contains(md.String(), `loop\|back`) {
		t.Errorf("Markdown:\n%s", md.String())
	}
	for _, c := range r.Charts {
		if !strings.Contains(page.String(), c.SVG()) {
			t.Errorf("%q is not drawn", c.Title)
		}
		for _, row := range c.Rows().Rows {
			if !strings.Contains(page.String(), "<td>"+row[2]+"</td>") {
				t.Errorf("the table behind %q lacks %q", c.Title, row[2])
			}
		}
	}
}

func TestThePageStandsAlone(t *testing.T) {
	t.Parallel()
	var page bytes.Buffer
	if err := HTML(&page, []Result{example()}); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(page.String(), `xmlns="http://www.w3.org/2000/svg"`, "")
	for _, bad := range []string{"<script", "http:", "https:", "src=", "<link", "@import", "url("} {
		if strings.Contains(text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if strings.Contains(text, "<to>") {
		t.Error("text is not escaped")
	}
}

func TestChartsAreWellFormedWhateverTheyShow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Chart{
		"nothing":         {Title: "empty"},
		"no points":       {Title: "a < b", Series: []Series{{Name: "none"}}},
		"one point":       {Title: "one", Series: []Series{{Name: "<one>", Points: []Point{{3, 4}}}}},
		"a flat line":     {Title: "flat", Series: []Series{{Name: "flat", Points: []Point{{0, 7}, {9, 7}}}}},
		"zero, log scale": {Title: "log", Log: true, Series: []Series{{Name: "zero", Points: []Point{{0, 0}, {1, 10}}}}},
		"below zero":      {Title: "neg", Series: []Series{{Name: "slope", Points: []Point{{0, -5}, {1, 10}}}}},
	} {
		svg := c.SVG()
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: has no place:\n%s", name, svg)
		}
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, svg)
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 3: "3", -3: "-3", 1234567: "1,234,567", -1234: "-1,234", 12.345: "12.35", 123.456: "123.5", 120.04: "120", 0.8: "0.8", 1234.56: "1,235",
		0.1234567: "0.1235", 0.00001234: "1.23e-05", math.Inf(1): "–",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

func TestJSONCarriesTheTargetAndSurvives(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Figures) != 4 || back.Figures[1].Verdict() != "miss" || back.Figures[3].Verdict() != "not measured" {
		t.Errorf("%+v", back.Figures)
	}
}
