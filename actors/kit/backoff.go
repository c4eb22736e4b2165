package kit

import (
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Backoff restarts a failed child after a delay that doubles from First to
// Max, drawn at random from zero to that (full jitter), and stops it for good
// when it has failed more than Limit times within Window: a visible state,
// since its parent sees it terminate.
type Backoff struct {
	First, Max, Window time.Duration
	Limit              int
}

var _ actor.SupervisorStrategy = Backoff{}

// HandleFailure implements actor.SupervisorStrategy.
func (b Backoff) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, rs *actor.RestartStatistics, _, _ any) {
	rs.Fail()
	n := rs.NumberOfFailures(b.Window)
	if n > b.Limit {
		rs.Reset() // the library never shortens its list
		s.StopChildren(child)
		return
	}
	delay := min(b.First<<(n-1), b.Max)
	time.AfterFunc(rand.N(delay+1), func() { s.RestartChildren(child) })
}

// stopAtOnce stops whoever fails.
type stopAtOnce struct{}

// HandleFailure implements actor.SupervisorStrategy.
func (stopAtOnce) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, _, _ any) {
	s.StopChildren(child)
}
