package audit_test

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/audit/audittest"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

func TestMemoryKeepsTheRulesOfTheLog(t *testing.T) {
	t.Parallel()
	audittest.Run(t, func(*testing.T) audittest.World { return &world{} })
}

type world struct{ m audit.Memory }

func (w *world) Log(*testing.T) audittest.Log           { return &w.m }
func (w *world) User(*testing.T) id.User                { return id.New[id.User]() }
func (w *world) Mailbox(*testing.T, id.User) id.Mailbox { return id.New[id.Mailbox]() }
func (w *world) Append(_ *testing.T, u id.User, es ...audit.Entry) {
	for _, e := range es {
		w.m.Append(u, e)
	}
}

func TestWindowEndsNowInStepsOfTheClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 7, 31, 5, time.FixedZone("", 7200))
	for span, want := range map[time.Duration]struct {
		step  time.Duration
		steps int
	}{
		0: {time.Minute, 1}, time.Minute: {time.Minute, 1}, time.Hour: {time.Minute, 60}, 6 * time.Hour: {5 * time.Minute, 72},
		24 * time.Hour: {15 * time.Minute, 96}, 7 * 24 * time.Hour: {2 * time.Hour, 84}, 30 * 24 * time.Hour: {12 * time.Hour, 60},
		90 * 24 * time.Hour: {24 * time.Hour, 90}, 1e6 * time.Hour: {24 * time.Hour, 100}, -time.Hour: {time.Minute, 1},
	} {
		w := audit.WindowOf(now, span)
		end := w.At(w.Steps)
		if w.Step != want.step || w.Steps != want.steps || !w.From.Truncate(w.Step).Equal(w.From) || !end.After(now) || end.Sub(now) > w.Step {
			t.Errorf("window of %v = %+v until %v, want %d steps of %v that end now", span, w, end, want.steps, want.step)
		}
	}
}
