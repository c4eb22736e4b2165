package telemetry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// dashboard is what matters of Grafana's format.
type dashboard struct {
	Panels []struct {
		ID          int
		Type, Title string
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

var (
	metricName  = regexp.MustCompile(`\b(?:smtpsync|go|process)_[a-z0-9_]+`)
	grouping    = regexp.MustCompile(`by \(([a-z, ]+)\)`)
	placeholder = regexp.MustCompile(`\{\{([a-z]+)\}\}`)
)

// labelsOf gives every name under which m can be asked, with its labels.
func labelsOf(t *testing.T, m *Metrics) map[string][]string {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]string{}
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		by[f.GetName()] = labels
		if f.GetMetric()[0].GetHistogram() != nil {
			delete(by, f.GetName())
			by[f.GetName()+"_count"], by[f.GetName()+"_sum"] = labels, labels
			by[f.GetName()+"_bucket"] = append(slices.Clone(labels), "le")
		}
	}
	return by
}

func TestDashboardShowsMetricsThatExist(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("process metrics are Linux'")
	}
	raw, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "grafana", "smtp-sync.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	known := labelsOf(t, NewMetrics())
	shown, ids, places := map[string]bool{}, map[int]bool{}, map[[2]int]bool{}
	check := func(where, expr, legend string) {
		names := metricName.FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%s: no metric in %q", where, expr)
		}
		for _, name := range names {
			labels, ok := known[name]
			if !ok {
				t.Errorf("%s: there is no metric %s", where, name)
			}
			shown[name] = true
			used := placeholder.FindAllStringSubmatch(legend, -1)
			for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
				for label := range strings.SplitSeq(g[1], ", ") {
					used = append(used, []string{"", label})
				}
			}
			for _, u := range used {
				if !slices.Contains(labels, u[1]) {
					t.Errorf("%s: %s has no label %s", where, name, u[1])
				}
			}
		}
	}
	for _, p := range d.Panels {
		if place := [2]int{p.GridPos.X, p.GridPos.Y}; ids[p.ID] || places[place] || p.Title == "" {
			t.Errorf("panel %d %q: its id or place is taken, or it has no title", p.ID, p.Title)
		} else {
			ids[p.ID], places[place] = true, true
		}
		if len(p.Targets) == 0 && p.Type != "row" {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			check(p.Title, target.Expr, target.LegendFormat)
		}
	}
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			check("variable "+v.Name, v.Definition, "")
		}
	}
	for name := range known {
		base := regexp.MustCompile(`_(count|sum|bucket)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, namespace+"_") && !shown[name] && !shown[base+"_bucket"] && !shown[base+"_count"] {
			t.Errorf("%s is on no panel", name)
		}
	}
}
