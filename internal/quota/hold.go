package quota

import (
	"math/rand/v2"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	firstHold = time.Second      // Google: back off for at least a second,
	lastHold  = 64 * time.Second // twice as long each time, up to about a minute
	maxNamed  = 24 * time.Hour   // no refusal is believed for longer
)

// hold stops all grants for a while, after a refusal by Gmail.
type hold struct {
	until time.Time
	named bool          // Gmail named the time
	pause time.Duration // the last one that we chose ourselves
}

// refused notes a refusal and reports whether it is a new one: uploads that
// were under way together are refused together, which counts once.
func (h *hold) refused(now, named time.Time) (fresh bool) {
	fresh = !now.Before(h.until)
	if !named.IsZero() {
		named = clamp(named, now.Add(firstHold), now.Add(maxNamed))
		if named.After(h.until) {
			h.until, h.named = named, true
		}
		return fresh
	}
	if !fresh {
		return false
	}
	if now.Sub(h.until) > 2*lastHold {
		h.pause = 0 // long past: begin again
	}
	h.pause = min(max(2*h.pause, firstHold), lastHold)
	// Jitter, so that users refused together do not come back together.
	h.until, h.named = now.Add(h.pause+rand.N(h.pause/4)), false
	return true
}

func (h *hold) on(now time.Time) bool { return now.Before(h.until) }

// fault gives the answer to whoever asks during the hold: to come back then,
// which may be later than its end.
func (h *hold) fault(scope, who string, then time.Time) *mail.Fault {
	text := "Gmail asked " + who + " to slow down"
	if h.named {
		text = "Gmail takes no more mail from " + who + " for now"
	}
	return &mail.Fault{
		Class: mail.RateLimited, Code: "gmail_busy", Scope: scope, Until: then,
		Text: text, Help: "it goes on at " + stamp(then),
	}
}

func (h *hold) idle(now time.Time) bool { return now.Sub(h.until) > 2*lastHold }

func clamp(t, low, high time.Time) time.Time {
	if t.Before(low) {
		return low
	}
	if t.After(high) {
		return high
	}
	return t
}
