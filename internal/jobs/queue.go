package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/smtp-sync/smtp-sync/internal/account"
)

// Options of a Queue; all but Notices and Billing are required.
type Options struct {
	DB     *sql.DB // SQLite, of this process alone
	Store  Store
	Keys   Keys
	Google Google
	Users  Users
	Log    *slog.Logger
	Keep   time.Duration // how long audit lines are kept
	// Notices tells those whose time has come what there is to tell; nil: nobody
	// is told anything.
	Notices func(ctx context.Context) error
	Billing Billing // nil: nobody bills
}

// Queue runs jobs.
type Queue struct {
	store  Store
	keys   Keys
	log    *slog.Logger
	tells  bool
	bills  bool
	client *river.Client[*sql.Tx]
	cancel context.CancelFunc
	work   sync.WaitGroup
}

const (
	look  = time.Second // how often the queue is looked at
	tidy  = time.Hour   // how often is swept, and the rows are looked through
	tell  = time.Minute // how often is looked for whose time has come
	limit = 30 * time.Second
	order = 5 * time.Second // how often is asked whether a rotation was ordered
)

// Start brings the queue's database to this release, makes jobs of the rows that
// are there, and runs until Stop.
func Start(ctx context.Context, o Options) (*Queue, error) {
	driver := riversqlite.New(o.DB)
	quiet := slog.New(loud{o.Log.Handler()})
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	// What ran when the process died runs again: it is alone here.
	if err == nil {
		_, err = o.DB.ExecContext(ctx, "UPDATE river_job SET state = 'available' WHERE state = 'running'")
	}
	if err != nil {
		return nil, fmt.Errorf("job queue: %w", err)
	}
	q := &Queue{store: o.Store, keys: o.Keys, log: o.Log, tells: o.Notices != nil, bills: o.Billing != nil}
	w := &work{store: o.Store, keys: o.Keys, google: o.Google, users: o.Users, log: o.Log, keep: o.Keep, notices: o.Notices, billing: o.Billing}
	q.client, err = river.NewClient(driver, &river.Config{
		Logger:  quiet,
		Workers: q.workers(w),
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		// One process: it need not listen for the jobs of others.
		PollOnly: true, FetchPollInterval: look,
		CompletedJobRetentionPeriod: tidy,
		PeriodicJobs:                q.periodic(),
	})
	if err == nil {
		if err = q.derive(ctx); errors.Is(err, errBusy) { // nothing runs yet
			err = nil
		}
	}
	// Jobs end by Stop, which waits for them.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if err == nil {
		err = q.client.Start(base)
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("job queue: %w", err)
	}
	q.cancel = cancel
	q.work.Go(func() { q.listen(base) })
	q.work.Go(func() { q.obey(base) })
	return q, nil
}

// periodic are the jobs that come by the clock.
func (q *Queue) periodic() []*river.PeriodicJob {
	at := func(every time.Duration, args river.JobArgs) *river.PeriodicJob {
		return river.NewPeriodicJob(river.PeriodicInterval(every),
			func() (river.JobArgs, *river.InsertOpts) { return args, nil }, &river.PeriodicJobOpts{RunOnStart: true})
	}
	all := []*river.PeriodicJob{at(tidy, sweepArgs{})}
	if q.tells {
		all = append(all, at(tell, noticesArgs{}))
	}
	if q.bills {
		all = append(all, at(tell, billingArgs{}), at(day, billingArgs{All: true}))
	}
	return all
}

func (q *Queue) workers(w *work) *river.Workers {
	failed := func(err error) { q.log.Warn("a job is tried again", "err", err) }
	all := river.NewWorkers()
	river.AddWorker(all, worker[revokeArgs]{limit: limit, longest: time.Hour, failed: failed,
		do: func(ctx context.Context, a revokeArgs) error { return w.revoke(ctx, a.Receipt, a.What) }})
	river.AddWorker(all, worker[signalArgs]{limit: limit, longest: 10 * time.Minute, failed: failed,
		do: func(ctx context.Context, a signalArgs) error { return w.react(ctx, a.Signal) }})
	river.AddWorker(all, worker[sweepArgs]{limit: tidy, longest: tidy, failed: failed,
		do: func(ctx context.Context, _ sweepArgs) error {
			err := q.derive(ctx)
			if errors.Is(err, errBusy) {
				err = nil // a minute later there is another
			}
			return errors.Join(err, w.sweep(ctx))
		}})
	river.AddWorker(all, worker[noticesArgs]{limit: tidy, longest: tell, failed: failed,
		do: func(ctx context.Context, _ noticesArgs) error { return w.tell(ctx) }})
	river.AddWorker(all, worker[billingArgs]{limit: tidy, longest: 10 * time.Minute, failed: failed,
		do: func(ctx context.Context, a billingArgs) error { return w.bill(ctx, a.All) }})
	river.AddWorker(all, worker[cancelArgs]{limit: limit, longest: time.Hour, failed: failed,
		do: func(ctx context.Context, a cancelArgs) error { return w.cancel(ctx, a.Receipt, a.What) }})
	river.AddWorker(all, worker[rewrapArgs]{limit: day, longest: time.Minute, failed: failed,
		do: func(ctx context.Context, a rewrapArgs) error { return w.rewrap(ctx, a.To) }})
	return all
}

// derive makes the jobs of all rows. Those that there are already stay as they
// are.
func (q *Queue) derive(ctx context.Context) error {
	signals, err := q.store.Signals(ctx)
	if err != nil {
		return err
	}
	errands, err := q.store.Errands(ctx)
	if err != nil {
		return err
	}
	for _, n := range signals {
		if _, err := q.client.Insert(ctx, signalArgs{n.ID}, nil); err != nil {
			return err
		}
	}
	for _, e := range errands {
		var job river.JobArgs = revokeArgs{e.Receipt, e.What}
		if e.What == account.StripeCancel {
			job = cancelArgs{e.Receipt, e.What}
		}
		if _, err := q.client.Insert(ctx, job, nil); err != nil {
			return err
		}
	}
	return errors.Join(q.deriveIf(ctx, q.tells, q.store.AnyWatched, noticesArgs{}),
		q.deriveIf(ctx, q.bills, q.store.AnyCustomerDue, billingArgs{}))
}

// errBusy: there is something to do, and the job that does it runs already, but
// may have looked before it came.
var errBusy = errors.New("a job that may have looked too early runs")

// deriveIf makes a job if there is something for it to do.
func (q *Queue) deriveIf(ctx context.Context, on bool, due func(context.Context) (bool, error), job river.JobArgs) error {
	if !on {
		return nil
	}
	is, err := due(ctx)
	if err != nil || !is {
		return err
	}
	made, err := q.client.Insert(ctx, job, nil)
	if err == nil && made.UniqueSkippedAsDuplicate && made.Job.State == rivertype.JobStateRunning {
		err = errBusy
	}
	return err
}

// listen makes jobs of new rows as they come. What it fails to make comes with
// the next.
func (q *Queue) listen(ctx context.Context) {
	for again := time.Duration(0); ; {
		var timer <-chan time.Time
		if again > 0 {
			timer = time.After(again)
		}
		select {
		case <-ctx.Done():
			return
		case <-q.store.Due():
		case <-timer:
		}
		again = 0
		if err := q.derive(ctx); err != nil && ctx.Err() == nil {
			if !errors.Is(err, errBusy) {
				q.log.Error("no jobs could be made", "err", err)
			}
			again = look
		}
	}
}

// obey makes a job of the order for a rotation, which another process may leave
// at any time: at once after a start, for one that was cut, then every so often.
func (q *Queue) obey(ctx context.Context) {
	for {
		to, err := q.keys.RotationOrdered(ctx)
		if err == nil && to != "" {
			_, err = q.client.Insert(ctx, rewrapArgs{to}, nil)
		}
		if err != nil && ctx.Err() == nil {
			q.log.Error("it is not known whether a rotation was ordered", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(order):
		}
	}
}

// Stop lets jobs under way end, until ctx ends: then they are cut, and done
// again after the next start. It returns when none runs any more.
func (q *Queue) Stop(ctx context.Context) error {
	err := q.client.Stop(ctx)
	if err != nil {
		q.cancel()
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), look)
		defer cancel()
		err = errors.Join(err, q.client.StopAndCancel(hard))
	}
	q.cancel()
	q.work.Wait()
	return err
}

// loud lets warnings of the library through, and what is worse.
type loud struct{ slog.Handler }

// Enabled implements slog.Handler.
func (l loud) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && l.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (l loud) WithAttrs(a []slog.Attr) slog.Handler { return loud{l.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (l loud) WithGroup(name string) slog.Handler { return loud{l.Handler.WithGroup(name)} }
