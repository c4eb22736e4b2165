package world

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

func TestOnlyThisMachineIsATarget(t *testing.T) {
	t.Parallel()
	for addr, mine := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:80": true, "imaps://me@127.9.9.9:993": true, "http://localhost:1": true,
		"http://[::ffff:127.0.0.1]:80": true,
		"http://192.0.2.1":             false, "imaps://me@198.51.100.7:993": false, "http://[2001:db8::1]:80": false,
		"http://10.0.0.1": false, "http://0.0.0.0": false, "http://169.254.169.254": false, "http://[::]": false,
		"": false, "127.0.0.1": false, "http://": false, "::": false,
	} {
		if err := CheckTarget(t.Context(), addr, false); (err == nil) != mine {
			t.Errorf("%q: %v", addr, err)
		}
	}
	if err := CheckTarget(t.Context(), "imaps://me@192.0.2.1:993", true); err != nil {
		t.Errorf("a host of one's own is refused: %v", err)
	}
	if err := CheckTarget(t.Context(), "nonsense", true); err == nil {
		t.Error("nonsense is a host of one's own")
	}
	err := CheckTarget(t.Context(), "http://192.0.2.1", false)
	if err == nil || !strings.Contains(err.Error(), "--i-own-this-host") {
		t.Errorf("the refusal does not say how to lift it: %v", err)
	}
}

func TestTruthCountsEachDeliveryOnce(t *testing.T) {
	t.Parallel()
	at := time.Now()
	delivered := []hosts.Delivery{{SHA256: "a", Intended: at}, {SHA256: "b", Intended: at}, {SHA256: "c"}, {SHA256: "d"}}
	stored := func(sha string, after time.Duration) Arrival {
		return Arrival{Stored: gmailtest.Stored{SHA256: sha, At: at.Add(after)}}
	}
	got := Compare(delivered, []Arrival{
		stored("a", time.Second), stored("b", 2*time.Second), stored("b", 9*time.Second), stored("b", 9*time.Second), stored("c", 0), stored("altered", 0),
	})
	if got.Lost != 1 || got.Doubled != 2 || got.Strange != 1 {
		t.Errorf("lost %d, doubled %d, strange %d; want 1, 2, 1", got.Lost, got.Doubled, got.Strange)
	}
	if took := got.Fates[1].Took(); took != 2*time.Second {
		t.Errorf("b took %s: the first copy counts", took)
	}
	if !got.Fates[3].At.IsZero() {
		t.Error("what never came has a time")
	}
}

const page = `# HELP x y
# TYPE smtpsync_actors_passes_total counter
smtpsync_actors_passes_total{protocol="imap",result="ok"} 3
smtpsync_actors_passes_total{protocol="imap",result="unchanged"} 40
smtpsync_actors_passes_total{protocol="pop3",result="unchanged"} 2 1700000000000
smtpsync_actors_armed_mailboxes 1e+06
go_info{version="go1.26 x"} 1
lag_bucket{le="0.01"} 50
lag_bucket{le="0.1"} 90
lag_bucket{le="+Inf"} 100
lag_bucket{le="1"} 99
lag_sum 4
lag_count 100
`

func TestMetricsAreRead(t *testing.T) {
	t.Parallel()
	m, err := ParseMetrics(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		got, want float64
	}{
		{m.Sum("smtpsync_actors_passes_total"), 45},
		{m.Sum("smtpsync_actors_passes_total", `result="unchanged"`), 42},
		{m.Sum("smtpsync_actors_passes_total", `result="unchanged"`, `protocol="pop3"`), 2},
		{m.Sum("smtpsync_actors_armed_mailboxes"), 1e6},
		{m.Sum("smtpsync_actors"), 0},
		{m.Quantile("lag", 0.5).Seconds(), 0.01},
		{m.Quantile("lag", 0.7).Seconds(), 0.055},
		{m.Quantile("lag", 0.99).Seconds(), 1},
		{m.Quantile("lag", 1).Seconds(), 1}, // beyond the last limit
		{m.Quantile("nothing", 0.5).Seconds(), 0},
		{m.Minus(m).Quantile("lag", 0.5).Seconds(), 0},
	} {
		if diff := c.got - c.want; diff > 1e-6 || diff < -1e-6 {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	if !m.Has("go_info") || m.Has("go") {
		t.Error("a name counts as a whole")
	}
	for _, bad := range []string{"name\n", "name{a=\"b\"}\n", "name x\n"} {
		if _, err := ParseMetrics(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestTheKernelsWordsAreRead(t *testing.T) {
	t.Parallel()
	cpu, err := cpuOf("77 (a (b) c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1 2 3")
	if err != nil || cpu != 2*time.Second {
		t.Errorf("%v, %v", cpu, err)
	}
	if rss, err := rssOf("Name:\tx\nVmRSS:\t  2048 kB\n"); err != nil || rss != 2<<20 {
		t.Errorf("%v, %v", rss, err)
	}
	for _, bad := range []string{"", "1 (x)", "1 (x) S a"} {
		if _, err := cpuOf(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if _, err := rssOf("Name:\tzombie\n"); err == nil {
		t.Error("a dead process has memory")
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return
	}
	if s, err := Look(os.Getpid()); err != nil || s.RSS < 1<<20 || s.FDs < 3 {
		t.Errorf("this process: %+v, %v", s, err)
	}
}

// What the bench fills in is what the product reads.
func TestTheStoreIsFilledAsTheProductReadsIt(t *testing.T) {
	t.Parallel()
	w := &World{Dir: t.TempDir()}
	if err := os.Mkdir(w.Data(), 0o700); err != nil {
		t.Fatal(err)
	}
	p := hosts.Placed{Fleet: hosts.Fleet{Name: "f", Protocol: "imap", Mailboxes: 5, PerUser: 2, PerHost: 2}, Ports: []int{1001, 1002, 1003}}
	people := peopleOf(p, time.Minute)
	for i := range people {
		people[i].Tokens = Tokens{Refresh: "r", Sub: fmt.Sprint(i)}
	}
	if err := w.fill(t.Context(), people); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	if err := w.Sleepers(t.Context(), 5000, until); err != nil {
		t.Fatal(err)
	}
	st, _, err := w.OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var due, sleeping int
	for r, err := range st.All(t.Context()) {
		switch {
		case err != nil:
			t.Fatal(err)
		case r.Phase == schedule.Waiting && !r.Until.Before(until.Truncate(time.Microsecond)):
			sleeping++
		default:
			due++
			m, _, err := st.Load(t.Context(), r.User, r.Mailbox)
			if err != nil || m.PollEvery != time.Minute || m.Password.RevealString() != hosts.Password || m.Port < 1001 {
				t.Errorf("%s at port %d: %v", m.Name, m.Port, err)
			}
		}
	}
	if due != 5 || sleeping != 5000 {
		t.Errorf("%d due and %d sleeping, want 5 and 5000", due, sleeping)
	}
}
