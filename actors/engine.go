package actors

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/kit"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

var (
	// ErrDrained is the cause given to work that is cut short by Drain.
	ErrDrained = errors.New("actors: shutting down")
	// ErrGaveUp ends a pass whose mailbox panicked again and again.
	ErrGaveUp = errors.New("internal error: the sync of this mailbox failed repeatedly and was stopped")
	// ErrPaused: the mailbox is paused; Resume comes first.
	ErrPaused = errors.New("the mailbox is paused")
	// ErrStopped is the cause given to work of a user or mailbox that goes.
	ErrStopped = errors.New("actors: the user or mailbox is being removed")

	errFixed     = errors.New("actors: the schedule failed repeatedly")
	errRestarted = errors.New("actors: restarted after an internal error")
	errLooked    = errors.New("actors: the mailbox is looked at now")
	errBusy      = errors.New("actors: the engine does not answer")
)

// Run does one pass. It is called again after a panic.
type Run func(context.Context) (bridge.Report, error)

// result is what a pass ends with.
type result struct {
	report bridge.Report
	err    error
}

// backoff is how every child is supervised: five tries in ten minutes.
var backoff = kit.Backoff{First: 250 * time.Millisecond, Max: 30 * time.Second, Window: 10 * time.Minute, Limit: 5}

// Engine is the node: the root of the tree. Its methods may be called from any
// goroutine but those of Accounts and Registry.
type Engine struct {
	*tree
	node *actor.PID
	gone chan struct{} // the tree has stopped

	stopping sync.Once
	failed   chan struct{}
	failure  error
	failing  sync.Once
}

// Start brings the tree up. With a Registry its mailboxes are loaded in the
// background, the dirty ones first.
func Start(o Options) *Engine {
	e := &Engine{gone: make(chan struct{}), failed: make(chan struct{})}
	e.tree = newTree(o.withDefaults())
	e.node = e.system.Root.Spawn(e.house.Root("node", backoff, func() actor.Actor {
		return &rootActor{node: newNode(e.tree, e.fail), gone: e.goneNow}
	}))
	return e
}

// Ready is closed when all registered mailboxes have been loaded.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// Failed is closed when the engine has stopped by itself, because of a bug that
// restarts did not cure: the process should end, to be started again. Err says
// why.
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Err is why the engine has failed.
func (e *Engine) Err() error {
	select {
	case <-e.failed:
		return e.failure
	default:
		return nil
	}
}

func (e *Engine) fail(err error) {
	e.failing.Do(func() {
		e.failure = err
		close(e.failed)
		e.tracker.close(ErrDrained)
		e.tracker.cancel(func(*piece) bool { return true }, ErrDrained)
	})
}

func (e *Engine) goneNow() {
	if !e.drained() {
		e.fail(errFixed) // nobody asked it to
	}
	close(e.gone)
}

// Sync runs one pass over a mailbox, outside the schedule, and waits for its
// end. Cancelling ctx ends the pass with its cause; Sync returns when it has
// ended. Two passes over one mailbox never run at once.
func (e *Engine) Sync(ctx context.Context, user id.User, box id.Mailbox, run Run) (bridge.Report, error) {
	if e.isGone() {
		return bridge.Report{}, ErrDrained
	}
	answer := make(chan result, 1)
	e.send(oneShot{user: user, pass: shotPass{box: box, ctx: ctx, run: run, answer: answer}})
	select {
	case r := <-answer:
		return r.report, r.err
	case <-e.gone:
		select {
		case r := <-answer:
			return r.report, r.err
		default:
			return bridge.Report{}, ErrDrained
		}
	}
}

// Register adds a mailbox to the schedule, or takes over what has changed of
// it, and looks at it at once unless it is paused or failing for good. It does
// not write: the caller has.
func (e *Engine) Register(r schedule.Registered) {
	e.send(forClock{register{r}})
}

// SyncNow looks at a mailbox at once, whatever its schedule says, or as soon as
// its server takes the next login: Status says when. When a pass runs, it does
// so again after it. account.ErrNone: there is no such mailbox; ErrPaused.
func (e *Engine) SyncNow(ctx context.Context, user id.User, box id.Mailbox) error {
	return e.ask(ctx, func(a chan error) any { return syncNow{user, box, a} })
}

// Pause ends a pass over the mailbox, if there is one, and stops its schedule,
// durably.
func (e *Engine) Pause(ctx context.Context, user id.User, box id.Mailbox) error {
	if err := e.ask(ctx, func(a chan error) any { return pause{user, box, a} }); err != nil {
		return err
	}
	err := e.halt(ctx, scope{user, box}, ErrPaused)
	if err == nil {
		err = e.edit(ctx, user, box, func(s *schedule.State) {
			s.Phase, s.Until, s.Reason = schedule.Paused, time.Time{}, schedule.Reason{}
		})
	}
	if err != nil { // not stored: it goes on, rather than be forgotten until the next start
		e.send(forClock{resume{user, box, make(chan error, 1)}})
	}
	return err
}

// Resume lets a paused mailbox go on, durably, and looks at it at once. It also
// is what a person does about a failing one.
func (e *Engine) Resume(ctx context.Context, user id.User, box id.Mailbox) error {
	if err := e.edit(ctx, user, box, func(s *schedule.State) {
		s.Accept()
		s.Phase, s.Until, s.Reason = schedule.Idle, time.Time{}, schedule.Reason{}
		s.Class, s.Failures, s.First = 0, 0, time.Time{}
	}); err != nil {
		// It may be stored all the same, and then it would wait for the next
		// start; if it is not, its pass finds it paused.
		e.send(forClock{resume{user, box, make(chan error, 1)}})
		return err
	}
	return e.ask(ctx, func(a chan error) any { return resume{user, box, a} })
}

// edit changes the stored state of a mailbox. A pass that runs meanwhile may
// have dropped the digest just now, which must not come back.
func (e *Engine) edit(ctx context.Context, user id.User, box id.Mailbox, change func(*schedule.State)) error {
	s, err := e.opts.Registry.Schedule(ctx, user, box)
	if err != nil {
		return err
	}
	change(&s)
	s.Digest = mail.Key{}
	s.Undone, s.Asked = 0, time.Time{} // whatever was changed, the source is asked again
	if err = e.opts.Registry.Save(ctx, user, box, s); err == nil {
		e.unsaved.drop(box)
	}
	return err
}

// Forget takes a mailbox out of the schedule and returns when nothing works on
// it any more.
func (e *Engine) Forget(ctx context.Context, user id.User, box id.Mailbox) error {
	s := scope{user, box}
	if err := e.ask(ctx, func(a chan error) any { return forget{s, a} }); err != nil {
		return err
	}
	return e.halt(ctx, s, ErrStopped)
}

// StopUser takes all mailboxes of a user out of the schedule and returns when
// nothing works for the user any more: within two seconds, as the adapters heed
// their contexts.
func (e *Engine) StopUser(ctx context.Context, user id.User) error {
	s := scope{user: user}
	if err := e.ask(ctx, func(a chan error) any { return forget{s, a} }); err != nil {
		return err
	}
	return e.halt(ctx, s, ErrStopped)
}

// UserChanged tells that a user has a new grant: it is loaded anew, and the
// user's failing mailboxes go again.
func (e *Engine) UserChanged(user id.User) { e.send(changed{user}) }

// Status gives what memory holds of a mailbox; false: it is not registered.
func (e *Engine) Status(user id.User, box id.Mailbox) (Status, bool) {
	answer := make(chan answered, 1)
	e.send(forClock{askStatus{user, box, answer}})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-answer:
		return a.status, a.ok
	case <-e.gone:
	case <-timer.C:
	}
	return Status{}, false
}

// Watch tells of changes until the function is called. Who does not keep up
// misses some.
func (e *Engine) Watch() (<-chan Change, func()) { return e.watchers.add() }

// patience bounds a wait for an actor's answer.
const patience = 5 * time.Second

// ask sends a message to the clock and waits for its answer.
func (e *Engine) ask(ctx context.Context, msg func(chan error) any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errBusy)
	defer cancel()
	select { // until all are loaded it is not known which there are
	case <-e.ready:
	case <-e.gone:
		return ErrDrained
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	answer := make(chan error, 1)
	e.send(forClock{msg(answer)})
	select {
	case err := <-answer:
		return err
	case <-e.gone:
		return ErrDrained
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// halt ends what works in a scope that the clock has been told to leave alone,
// and waits for it. What is on its way down the tree is refused; the governor
// knows when nothing is.
func (e *Engine) halt(ctx context.Context, s scope, cause error) error {
	e.tracker.bar(s, cause)
	defer e.tracker.unbar(s)
	answer := make(chan struct{})
	e.send(forGovernor{quiesce{s, answer}})
	select {
	case <-answer:
	case <-e.gone:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return e.tracker.wait(ctx, func(p *piece) bool { return p.kind != aTask && s.covers(p) })
}

func (e *Engine) isGone() bool {
	select {
	case <-e.gone:
		return true
	default:
		return e.drained()
	}
}

// send gives a message to the node.
func (e *Engine) send(msg any) { e.system.Root.Send(e.node, msg) }
