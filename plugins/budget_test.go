package plugins_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

// spending is a rule that uses a little less than all of its fuel, and stars.
func spending(t *testing.T, h *plugins.Host) *plugins.Rule {
	t.Helper()
	turn := cat([]byte{0x41}, gatetest.S(1_100_000), []byte{0x21, 0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b})
	return plain(t, h, turn, gatetest.I64Const(1<<2))
}

// TestRulesThatEatAreSlowed: what is used beyond 50 ms a second waits; nothing is
// left out of a message for that, and others do not wait.
func TestRulesThatEatAreSlowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, err := plugins.New(t.Context(), plugins.Options{Budget: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = h.Close(context.Background()) }()
		r := spending(t, h)
		out, err := r.Run(t.Context(), facts("s"))
		if err != nil || out.Fuel < 5_000_000 {
			t.Fatalf("%+v, %v", out, err)
		}
		each := time.Duration(out.Fuel) + 2*time.Microsecond
		const messages = 300
		start := time.Now()
		for range messages {
			if v := decides(t, h, "eater", r); !v.Star || v.Reason != "" {
				t.Fatalf("%+v", v)
			}
		}
		took := time.Since(start)
		// All but what may be used at once, at 50 ms a second.
		want := (messages-1)*each*20 - 10*time.Second
		if took < want-time.Second || took > want+time.Second {
			t.Errorf("%d messages took %v, want %v", messages, took, want)
		}
		if start := time.Now(); !decides(t, h, "other", r).Star || time.Since(start) != 0 {
			t.Error("another user waits")
		}
		time.Sleep(time.Minute)
		start = time.Now()
		if decides(t, h, "eater", r); time.Since(start) != 0 {
			t.Error("he waits although he has earned it")
		}
	})
}

// TestRulesThatEatTooMuchAreLeftOut: where many ask at once for one user, nobody
// waits for long, mail comes in, and a person can read why.
func TestRulesThatEatTooMuchAreLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, err := plugins.New(t.Context(), plugins.Options{Budget: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = h.Close(context.Background()) }()
		r := spending(t, h)
		left := 0
		for range 50 {
			start := time.Now()
			v := decides(t, h, "eater", r)
			if d := time.Since(start); d > 2*time.Second {
				t.Fatalf("a message waited for %v", d)
			}
			if v.Reason == "rule_failed:over_budget:test" && !v.Star {
				left++
			} else if !v.Star {
				t.Fatalf("%+v", v)
			}
		}
		if left < 40 {
			t.Errorf("%d of 50 came past the rule", left)
		}
		if text := plugins.OverBudget.Text(); !strings.Contains(text, "50 ms") {
			t.Errorf("the reason is %q", text)
		}
		time.Sleep(time.Hour) // nothing is wrong with the rule: it does not rest
		if v := decides(t, h, "eater", r); !v.Star {
			t.Errorf("an hour later: %+v", v)
		}
	})
}

// TestWaitingForABudgetEndsWithItsPass: what was not decided is no verdict.
func TestWaitingForABudgetEndsWithItsPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, err := plugins.New(t.Context(), plugins.Options{Budget: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = h.Close(context.Background()) }()
		r := spending(t, h)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := &plugins.Chain{User: "eater", Rules: []*plugins.Rule{r}}
		for err == nil {
			_, err = c.Decide(ctx, message("s"), mail.Ref{})
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func decides(t *testing.T, h *plugins.Host, user string, r *plugins.Rule) mail.Verdict {
	t.Helper()
	c := &plugins.Chain{User: user, Rules: []*plugins.Rule{r}}
	v, err := c.Decide(t.Context(), message("s"), mail.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
