package jobs

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// What a job is of. The names are in the queue's database: they never change.
type (
	revokeArgs struct {
		Receipt string `json:"receipt"`
		What    string `json:"what"`
	}
	signalArgs struct {
		Signal string `json:"signal"`
	}
	sweepArgs  struct{}
	rewrapArgs struct {
		To string `json:"to"` // a master key's id
	}
	noticesArgs struct{}
	cancelArgs  struct {
		Receipt string `json:"receipt"`
		What    string `json:"what"`
	}
	billingArgs struct {
		All bool `json:"all"` // look at everybody, for what got lost
	}
)

func (revokeArgs) Kind() string  { return "google_revoke" }
func (signalArgs) Kind() string  { return "risc_signal" }
func (sweepArgs) Kind() string   { return "sweep" }
func (noticesArgs) Kind() string { return "notices" }
func (cancelArgs) Kind() string  { return "stripe_cancel" }
func (billingArgs) Kind() string { return "billing" }
func (rewrapArgs) Kind() string  { return "rewrap" }

// once: two jobs of the same row are one, until it has ended.
var once = river.InsertOpts{
	MaxAttempts: 10_000, // GiveUp comes first
	UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}},
}

func (revokeArgs) InsertOpts() river.InsertOpts  { return once }
func (signalArgs) InsertOpts() river.InsertOpts  { return once }
func (sweepArgs) InsertOpts() river.InsertOpts   { return once }
func (noticesArgs) InsertOpts() river.InsertOpts { return once }
func (cancelArgs) InsertOpts() river.InsertOpts  { return once }
func (billingArgs) InsertOpts() river.InsertOpts { return once }
func (rewrapArgs) InsertOpts() river.InsertOpts  { return once }

// worker runs one kind of job.
type worker[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	do      func(context.Context, T) error
	failed  func(error)
	limit   time.Duration
	longest time.Duration // between two tries
}

// Work implements river.Worker.
func (w worker[T]) Work(ctx context.Context, j *river.Job[T]) error {
	err := w.do(ctx, j.Args)
	if err != nil && ctx.Err() == nil {
		w.failed(err)
	}
	return err
}

// Timeout implements river.Worker.
func (w worker[T]) Timeout(*river.Job[T]) time.Duration { return w.limit }

// NextRetry implements river.Worker.
func (w worker[T]) NextRetry(j *river.Job[T]) time.Time {
	return time.Now().Add(pause(j.Attempt, w.longest))
}

// pause is how long to wait after so many tries: from a second on, twice as long
// each time, up to the longest, less up to a fifth.
func pause(tries int, longest time.Duration) time.Duration {
	d := min(time.Second<<min(tries-1, 20), longest)
	return d - time.Duration(rand.Int64N(int64(d)/5))
}
