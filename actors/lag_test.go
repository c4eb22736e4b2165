package actors

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/telemetry"
)

// A mailbox whose queue is full asks again later; what it has waited by then
// counts as well.
func TestTheLagOfAMailboxBeginsOnceHoweverOftenItIsPostponed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		user := id.New[id.User]()
		const n, takes = 400, 10 * time.Second // one after the other; 256 may wait
		for range n {
			b := w.add(user, 1)
			b.Phase, b.Until = schedule.Idle, time.Now().Add(-time.Hour)
		}
		w.do = func(ctx context.Context, _ *row, _ bridge.Pass) (bridge.Report, error) {
			return bridge.Report{Unchanged: true}, nap(ctx, takes)
		}
		w.prepare = func(_ *row, j *Job) error { j.Settings.PollEvery = 24 * time.Hour; return nil }
		m := telemetry.NewMetrics()
		w.start(Options{Metrics: m, Limits: Limits{PerUser: 1}})
		rest(n*takes + 5*time.Minute)
		page := httptest.NewRecorder()
		m.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
		figure := func(name string) (v float64) {
			for line := range strings.Lines(page.Body.String()) {
				if rest, ok := strings.CutPrefix(line, name+" "); ok {
					_, _ = fmt.Sscan(rest, &v)
				}
			}
			return v
		}
		if got := figure("smtpsync_actors_lag_duration_seconds_count"); got != n {
			t.Errorf("%v passes, want %d", got, n)
		}
		whole := takes.Seconds() * n * n / 2
		if got := figure("smtpsync_actors_lag_duration_seconds_sum"); got < 0.95*whole || got > 1.05*whole {
			t.Errorf("the mailboxes waited %v s in all, want about %v", got, whole)
		}
		if figure(`smtpsync_actors_permits_refused_total{kind="queue"}`) == 0 {
			t.Error("full queues are not counted")
		}
		w.stop(t)
	})
}
