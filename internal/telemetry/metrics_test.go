package telemetry

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// everything calls every method of m but Handler, each text being s.
func everything(m *Metrics, s string) (called int) {
	v := reflect.ValueOf(m)
	for i := range v.NumMethod() {
		if v.Type().Method(i).Name == "Handler" {
			continue
		}
		var args []reflect.Value
		for in := range v.Method(i).Type().Ins() {
			arg := reflect.New(in).Elem()
			switch arg.Kind() {
			case reflect.String:
				arg.SetString(s)
			default:
				arg.SetInt(7)
			}
			args = append(args, arg)
		}
		v.Method(i).Call(args)
		called++
	}
	return called
}

func TestNilMetricsCountNothing(t *testing.T) {
	t.Parallel()
	var m *Metrics
	if n := everything(m, "ok"); n < 15 {
		t.Errorf("only %d methods were called", n)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("HTTP %d", w.Code)
	}
}

// series is one line of what is published.
type series struct {
	labels map[string]string
	value  float64 // of a histogram: how many were observed
}

// published gives our own metrics, without those of runtime and process.
func published(t *testing.T, m *Metrics) map[string][]series {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]series{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace+"_") {
			continue
		}
		for _, s := range f.GetMetric() {
			one := series{map[string]string{}, s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())}
			for _, l := range s.GetLabel() {
				one.labels[l.GetName()] = l.GetValue()
			}
			by[f.GetName()] = append(by[f.GetName()], one)
		}
	}
	return by
}

func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	if n := len(published(t, m)); n < 20 {
		t.Errorf("only %d metrics", n)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, namespace+"_") { // the runtime's names are not ours to choose
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// Whatever a caller passes, no series is added and no text of his appears.
func TestLabelsAreFromClosedSets(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	before := published(t, m)
	for _, text := range []string{"user-7f3c", "mail.example.org", "192.0.2.1", "", "OK"} {
		everything(m, text)
	}
	for name, all := range published(t, m) {
		if got, want := len(all), len(before[name]); got != want {
			t.Errorf("%s has %d series, had %d", name, got, want)
		}
	}
	body := scrape(t, m)
	if !strings.Contains(body, `smtpsync_bridge_messages_total{status="other"} 5`) {
		t.Error("what is not in the set is not counted as other")
	}
	for _, bad := range []string{"7f3c", "example", "192.0.2", "github.com"} {
		if strings.Contains(body, bad) {
			t.Errorf("%q is published", bad)
		}
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("HTTP %d, %v", w.Code, err)
	}
	return string(body)
}

func TestEveryWordOfASetHasItsOwnSeries(t *testing.T) {
	t.Parallel()
	for _, s := range []mail.Status{mail.Imported, mail.Skipped, mail.Rejected, mail.Doubtful, mail.Failed} {
		if !slices.Contains(statuses, string(s)) {
			t.Errorf("status %s is counted as other", s)
		}
	}
	m := NewMetrics()
	for set, count := range map[string]func(string){
		strings.Join(passResults, " "):  func(s string) { m.PassEnded(s, "imap", time.Second) },
		strings.Join(protocols, " "):    func(s string) { m.PassEnded("ok", s, time.Second) },
		strings.Join(statuses, " "):     func(s string) { m.MessageEnded(s, 5, time.Second) },
		strings.Join(permitKinds, " "):  m.PermitRefused,
		strings.Join(scopes, " "):       m.Refusals,
		strings.Join(actorKinds, " "):   m.ActorPanics,
		strings.Join(recoverKinds, " "): m.Recovered,
		strings.Join(ruleFaults, " "):   m.PastRule,
		strings.Join(budgetKinds, " "):  func(s string) { m.Budget(s, 1, 2) },
	} {
		for word := range strings.FieldsSeq(set) {
			count(word)
		}
	}
	sums := map[string]float64{} // by metric, label and word
	for name, all := range published(t, m) {
		for _, one := range all {
			for label, word := range one.labels {
				sums[name+" "+label+" "+word] += one.value
			}
		}
	}
	for key, sum := range sums {
		counted := sum != 0 && !math.IsInf(sum, 1) // a budget without limit
		if strings.HasSuffix(key, " "+other) == counted {
			t.Errorf("%s: counted %v", key, sum)
		}
	}
}

func TestWhatIsCountedIsPublished(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	m.PassEnded("unchanged", "pop3", 30*time.Millisecond)
	m.MessageEnded("imported", 5500, 80*time.Millisecond)
	m.MessageEnded("skipped", -1, 0) // no transfer: no time
	m.Queued(12)
	m.Budget("project_day", 10, 0)
	m.StoreCommit(12*time.Millisecond, 256)
	body := scrape(t, m)
	for _, want := range []string{
		`smtpsync_actors_passes_total{protocol="pop3",result="unchanged"} 1`,
		`smtpsync_actors_passes_total{protocol="imap",result="panic"} 0`,
		`smtpsync_actors_pass_duration_seconds_bucket{protocol="pop3",le="0.05"} 1`,
		`smtpsync_actors_pass_duration_seconds_bucket{protocol="pop3",le="0.025"} 0`,
		`smtpsync_bridge_message_bytes_total{status="imported"} 5500`,
		`smtpsync_bridge_transfer_duration_seconds_count 1`,
		`smtpsync_actors_queued_mailboxes 12`,
		`smtpsync_quota_budget_used{kind="project_day"} 10`,
		`smtpsync_quota_budget_limit{kind="project_day"} +Inf`,
		`smtpsync_store_writes_total 256`,
		`smtpsync_store_commit_duration_seconds_count 1`,
		`smtpsync_build_info{go="go`,
		"process_resident_memory_bytes ", "go_goroutines ", "go_gc_pauses_seconds_bucket", // Linux
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no line with %s", want)
		}
	}
}

func TestBucketsAreRoundAndRise(t *testing.T) {
	t.Parallel()
	got := spread(0.001, 1)
	want := []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1}
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Measured with Go 1.26 on 2 cores shared with others: 70 ns, no allocation.
func BenchmarkMessageEnded(b *testing.B) {
	m := NewMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.MessageEnded("imported", 5500, 80*time.Millisecond)
	}
}

func TestCountingAllocatesNothing(t *testing.T) { // not parallel: AllocsPerRun
	m := NewMetrics()
	if n := testing.AllocsPerRun(100, func() {
		m.MessageEnded("imported", 5500, 80*time.Millisecond)
		m.PassEnded("unchanged", "imap", time.Second)
		m.Lag(time.Second)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
