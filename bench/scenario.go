package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// Scenario is a load and what it should show: a data file. Kind says what is
// done with it; which of the other fields count depends on the kind.
type Scenario struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`
	About   string          `json:"about"`
	Targets []report.Target `json:"targets,omitempty"`

	// Seconds of steady state that are measured, after Warmup; then everything
	// has Settle to come to rest.
	Seconds float64 `json:"seconds,omitempty"`
	Warmup  float64 `json:"warmup,omitempty"`
	Settle  float64 `json:"settle,omitempty"`
	Seed    uint64  `json:"seed,omitempty"`

	Fleets    []hosts.Fleet   `json:"fleets,omitempty"`
	Noise     []hosts.Fleet   `json:"noise,omitempty"`      // neighbours: fleets of the second run alone
	PollEvery string          `json:"poll_every,omitempty"` // what each user has chosen; "": the adaptive default
	Settings  world.Settings  `json:"settings,omitempty"`   // of the product, without SMTPSYNC_
	Quota     gmailtest.Quota `json:"quota,omitzero"`       // of the double
	Sleepers  int             `json:"sleepers,omitempty"`   // idle: registered mailboxes that are not due
	Kills     int             `json:"kills,omitempty"`      // restart: how often the product is killed
	Gmail     string          `json:"gmail,omitempty"`      // round trip to Gmail, such as 50ms; "": loopback as it is
	GmailRate float64         `json:"gmail_rate,omitempty"` // octets a second of a connection to Gmail; 0: no limit

	Web Web `json:"web,omitzero"`

	Rate  float64 `json:"rate,omitempty"`  // rules: messages a second, by the clock
	Rules bool    `json:"rules,omitempty"` // compare: the product's five rules are on

	Messages int   `json:"messages,omitempty"` // compare: in the mailbox
	Distant  int   `json:"distant,omitempty"`  // compare: on the distant network, where each takes its time
	Size     int64 `json:"size,omitempty"`     // compare: of each; 0: real mail, or generated where there is no corpus
}

//go:embed scenarios/*.json
var scenarioFiles embed.FS

// scenarios gives all that are built in, in the order of the list.
func scenarios() ([]Scenario, error) {
	names, err := fs.Glob(scenarioFiles, "scenarios/*.json")
	if err != nil {
		return nil, err
	}
	var all []Scenario
	for _, name := range names {
		f, err := scenarioFiles.Open(name)
		if err != nil {
			return nil, err
		}
		s, err := readScenario(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if want := path.Base(name); s.Name+".json" != want {
			return nil, fmt.Errorf("%s: its name is %q", name, s.Name)
		}
		all = append(all, s)
	}
	order := func(s Scenario) int { return slices.Index(inOrder, s.Name) }
	slices.SortStableFunc(all, func(a, b Scenario) int { return order(a) - order(b) })
	return all, nil
}

// inOrder is how the list reads best.
var inOrder = []string{"throughput", "throughput-rules", "large", "rules", "idle", "idle-push", "quota", "latency", "noisy", "web", "fault", "restart", "drain", "soak"}

func scenarioFile(name string) (Scenario, error) {
	f, err := os.Open(name)
	if err != nil {
		return Scenario{}, err
	}
	defer f.Close()
	s, err := readScenario(f)
	if err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// readScenario is strict: a misspelt field would be a load that nobody meant.
func readScenario(r io.Reader) (s Scenario, err error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return s, err
	}
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	if err := in.Decode(&s); err != nil {
		return s, err
	}
	return s, s.check()
}

func (s Scenario) check() error {
	if s.Name == "" || s.About == "" {
		return fmt.Errorf("a scenario has a name and says what it is about")
	}
	if kinds[s.Kind] == nil {
		return fmt.Errorf("kind %q: it is one of %v", s.Kind, slices.Sorted(maps.Keys(kinds)))
	}
	if s.Kind == "compare" && s.Messages < 1 {
		return fmt.Errorf("a comparison needs messages")
	}
	if s.Kind != "compare" && s.Kind != "rules" && len(s.Fleets) == 0 {
		return fmt.Errorf("there are no fleets")
	}
	if err := s.Web.check(); s.Kind == "web" && err != nil {
		return err
	}
	for k := range s.Settings {
		if !slices.Contains(world.ForScenarios, k) {
			return fmt.Errorf("settings: %s is not for a scenario to set; it may set %s", k, strings.Join(world.ForScenarios, ", "))
		}
	}
	for _, d := range []string{s.PollEvery, s.Gmail} {
		if _, err := time.ParseDuration(d); d != "" && err != nil {
			return err
		}
	}
	names := map[string]bool{}
	for _, f := range slices.Concat(s.Fleets, s.Noise) {
		if err := f.Check(); err != nil {
			return err
		}
		if names[f.Name] {
			return fmt.Errorf("two fleets are called %s", f.Name)
		}
		names[f.Name] = true
	}
	for _, t := range s.Targets {
		if t.Figure == "" || t.AtMost == nil && t.AtLeast == nil {
			return fmt.Errorf("a target names its figure and a limit")
		}
	}
	return nil
}

// scaled makes a smaller (or larger) load of the same shape.
func (s Scenario) scaled(by float64) Scenario {
	if by == 1 {
		return s
	}
	fleets := func(in []hosts.Fleet) (out []hosts.Fleet) {
		for _, f := range in {
			out = append(out, f.Scaled(by))
		}
		return out
	}
	s.Fleets, s.Noise = fleets(s.Fleets), fleets(s.Noise)
	s.Web = s.Web.scaled(by)
	s.Sleepers = int(float64(s.Sleepers) * by)
	// As many units for each user as before.
	s.Quota.ProjectUnitsPerMinute = int64(float64(s.Quota.ProjectUnitsPerMinute) * by)
	if s.Messages > 0 {
		s.Messages, s.Distant = max(20, int(float64(s.Messages)*by)), max(20, int(float64(s.Distant)*by))
	}
	return s
}

// pollEvery is what each user has chosen.
func (s Scenario) pollEvery() time.Duration {
	d, _ := time.ParseDuration(s.PollEvery) // checked
	return d
}

func (s Scenario) steady() time.Duration { return time.Duration(s.Seconds * float64(time.Second)) }
func (s Scenario) warmup() time.Duration { return time.Duration(s.Warmup * float64(time.Second)) }
func (s Scenario) settle() time.Duration {
	return time.Duration(max(s.Settle, 1) * float64(time.Second))
}

// mailboxes counts those of some fleets.
func mailboxes(fleets []hosts.Fleet) (n int) {
	for _, f := range fleets {
		n += f.Mailboxes
	}
	return n
}
