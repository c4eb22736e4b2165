package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/config"
)

func TestEveryScenarioFileIsGood(t *testing.T) {
	t.Parallel()
	all, err := scenarios()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	known := map[string]bool{}
	for _, v := range config.Describe() {
		known[v.Name] = true
	}
	for _, s := range all {
		names = append(names, s.Name)
		if len(s.Targets) == 0 {
			t.Errorf("%s has no targets", s.Name)
		}
		for k := range s.Settings {
			if !known[config.Prefix+k] {
				t.Errorf("%s sets %s, which the product does not know", s.Name, k)
			}
		}
		claims := s.Kind == "latency" || s.Kind == "quota" || s.Name == "noisy"
		if claims && s.Seconds < 60 {
			t.Errorf("%s claims figures of a steady state of %v s: at least 60", s.Name, s.Seconds)
		}
		for _, small := range []float64{0.01, 0.001} {
			if err := s.scaled(small).check(); err != nil {
				t.Errorf("%s at scale %v: %v", s.Name, small, err)
			}
		}
	}
	if got, want := strings.Join(names, " "), strings.Join(inOrder, " "); got != want {
		t.Errorf("the scenarios are %s, want %s", got, want)
	}
}

func TestAScenarioThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	const good = `{"name":"x","kind":"latency","about":"y","fleets":[{"name":"a","protocol":"imap","mailboxes":1}]`
	if _, err := readScenario(strings.NewReader(good + "}")); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		`{}`, good, good + `,"secnods":60}`, good + `,"kind":"none"}`, good + `,"poll_every":"5"}`, good + `,"targets":[{"figure":"p50"}]}`,
		good + `,"noise":[{"name":"a","protocol":"imap","mailboxes":1}]}`, `{"name":"x","kind":"compare","about":"y"}`,
		`{"name":"x","kind":"latency","about":"y"}`, good + `,"settings":{"GMAIL_API_URL":"http://192.0.2.1"}}`,
	} {
		if _, err := readScenario(strings.NewReader(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestScaleKeepsTheShapeOfALoad(t *testing.T) {
	t.Parallel()
	s := Scenario{Fleets: []hosts.Fleet{{Mailboxes: 1000, Rate: 50}}, Sleepers: 1_000_000}
	s.Quota.UserUnitsPerMinute, s.Quota.ProjectUnitsPerMinute = 6000, 600_000
	got := s.scaled(0.1)
	if got.Fleets[0].Mailboxes != 100 || got.Fleets[0].Rate != 5 || got.Sleepers != 100_000 ||
		got.Quota.UserUnitsPerMinute != 6000 || got.Quota.ProjectUnitsPerMinute != 60_000 {
		t.Errorf("%+v", got)
	}
	if s.Fleets[0].Mailboxes != 1000 {
		t.Error("the scenario itself was changed")
	}
}

func TestForeignTargetsNeedAWord(t *testing.T) {
	t.Parallel()
	for args, allowed := range map[string]bool{
		"-gmail http://127.0.0.1:1 -list":                                                   true,
		"-gmail http://192.0.2.1:1 -list":                                                   false,
		"-gmail http://192.0.2.1:1 -i-own-this-host -list":                                  true,
		"-source imaps://me@127.0.0.1:993 -password-file x -list":                           true,
		"-source imaps://me@192.0.2.1:993 -password-file x -list":                           false,
		"-source imaps://me@192.0.2.1:993 -password-file x -i-own-this-host -list":          true,
		"-source imaps://me@192.0.2.1:993 -i-own-this-host -list":                           false, // no password
		"-source imap://me@127.0.0.1:143 -password-file x -list":                            false, // in clear
		"-source imaps://127.0.0.1:993 -password-file x -list":                              false, // nobody
		"-source imaps://me@127.0.0.1:993 -password-file x -gmail http://192.0.2.1:1 -list": false,
		"-scale 0 -list": false,
	} {
		if err := command(t.Context(), strings.Fields(args)); (err == nil) != allowed {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestChoosing(t *testing.T) {
	t.Parallel()
	all, err := scenarios()
	if err != nil {
		t.Fatal(err)
	}
	choose := func(args string) []Scenario {
		t.Helper()
		f, _, err := parse(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := f.choose(all)
		if err != nil {
			t.Fatal(err)
		}
		return chosen
	}
	if n := len(choose("-scenario all")); n != len(all) {
		t.Errorf("all are %d of %d", n, len(all))
	}
	got := choose("-scenario latency,quota -seconds 7 -scale 0.5")
	if len(got) != 2 || got[0].Name != "latency" || got[0].Seconds != 7 || got[1].Fleets[0].Mailboxes != 50 {
		t.Errorf("%+v", got)
	}
	if got := choose("-file " + filepath.Join("scenarios", "soak.json")); len(got) != 1 || got[0].Name != "soak" {
		t.Errorf("%+v", got)
	}
	f, _, _ := parse([]string{"-scenario", "none"})
	if _, err := f.choose(all); err == nil {
		t.Error("a scenario that does not exist was chosen")
	}
}

func TestSteadyStateIsByIntendedTime(t *testing.T) {
	t.Parallel()
	start := time.Now()
	fate := func(fleet string, intended, took time.Duration) world.Fate {
		f := world.Fate{Delivery: hosts.Delivery{Fleet: fleet, Intended: start.Add(intended)}}
		if took > 0 {
			f.At = f.Intended.Add(took)
		}
		return f
	}
	o := observed{start: start, end: start.Add(time.Minute), truth: world.Truth{Fates: []world.Fate{
		fate("a", -time.Second, time.Hour), // warm-up
		fate("a", time.Second, 10*time.Millisecond),
		fate("a", 59*time.Second, 5*time.Minute), // late, and counted
		fate("a", 2*time.Second, 0),              // lost
		fate("b", 3*time.Second, time.Second),    // another fleet
		fate("a", time.Minute, time.Second),      // afterwards
	}}}
	h := o.histogram([]hosts.Fleet{{Name: "a"}})
	if h.Count() != 2 || h.Max() < 299*time.Second {
		t.Errorf("%d measured, the longest %s", h.Count(), h.Max())
	}
	points := 0
	for _, s := range o.byTime("x", []hosts.Fleet{{Name: "a"}}) {
		points += len(s.Points)
	}
	if points != 4 {
		t.Errorf("%d points over time, want 2 of each line", points)
	}
}

func TestMediansAndGrowth(t *testing.T) {
	t.Parallel()
	m := median([]measured{{cpu: 3, rss: 1}, {cpu: 1, rss: 2}, {cpu: 2, rss: 9}})
	if m.cpu != 2 || m.rss != 2 {
		t.Errorf("%+v", m)
	}
	if g := growth([]float64{10, 10, 12, 13, 20, 20, 15, 15}); g != 1.5 {
		t.Errorf("growth %v", g)
	}
	now := time.Now()
	if c := cores([]world.Sample{{At: now}, {At: now.Add(2 * time.Second), CPU: 3 * time.Second}}); c != 1.5 {
		t.Errorf("%v cores", c)
	}
}
