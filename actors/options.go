package actors

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/telemetry"
)

// Options of an Engine. Without Registry and Accounts it has no schedule and
// does what Sync asks for.
type Options struct {
	Log      *slog.Logger
	Registry Registry
	Accounts Accounts
	Policy   schedule.Policy // its zero Default is taken from Limits.PollEvery
	Limits   Limits
	Metrics  *telemetry.Metrics // nil: nothing is counted

	sync func(context.Context, bridge.Pass) (bridge.Report, error) // tests; nil: bridge.Sync
	wall func() time.Time                                          // tests; nil: time.Now
	hook func(kind string)                                         // tests: before each message of an actor
}

// Limits of a node. The zero value of each means the default, a negative number
// of passes, connections or logins that there is no limit.
type Limits struct {
	PollEvery time.Duration // 5 min
	Sessions  int           // passes at once; 512
	PerUser   int           // passes of one user at once; 4
	PerLane   int           // connections of passes to one mail server; 32. Those that wait for push do not count
	// LoginsPerSecond to one mail server, with a burst of three seconds' worth; 3.
	LoginsPerSecond float64
	Linger          time.Duration // how long a user without work stays loaded; 30 s
}

func (o Options) withDefaults() Options {
	l := &o.Limits
	l.PollEvery = cmp.Or(l.PollEvery, o.Policy.Default, 5*time.Minute)
	l.Sessions = cmp.Or(l.Sessions, 512)
	l.PerUser = cmp.Or(l.PerUser, 4)
	l.PerLane = cmp.Or(l.PerLane, 32)
	l.LoginsPerSecond = cmp.Or(l.LoginsPerSecond, 3)
	for _, n := range []*int{&l.Sessions, &l.PerUser, &l.PerLane} {
		if *n < 0 {
			*n = math.MaxInt32
		}
	}
	l.Linger = cmp.Or(l.Linger, 30*time.Second)
	o.Policy.Default = cmp.Or(o.Policy.Default, l.PollEvery)
	if o.wall == nil {
		o.wall = time.Now
	}
	if o.sync == nil {
		o.sync = bridge.Sync
	}
	return o
}

func (l Limits) admission() admit.Limits {
	return admit.Limits{Sessions: l.Sessions, PerUser: l.PerUser, PerLane: l.PerLane, Logins: l.LoginsPerSecond}
}
