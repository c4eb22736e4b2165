package actors

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// passed is what a mailbox learns from its worker.
type passed struct {
	parked  Parked
	revoked *mail.Fault
	account *shared // whose grant was revoked
	opened  Account
	brought bool // mail
}

// scheduled is one scheduled pass. It belongs to its goroutine.
type scheduled struct {
	*tree
	work
	user  id.User
	box   id.Mailbox
	piece *piece
	// announced is when the server told of new mail; zero: it did not.
	announced time.Time
	parked    Parked // of the wait before, until the pass takes it

	opened   Account // once it is
	dialled  bool
	settings schedule.Settings
	lane     admit.Ended
	news     ended // to the clock
	word     string
	owed     bool // the state before is not stored
	blind    bool // the state before could not be read
}

// run is a worker's work: one pass, from the account to the next due time. Its
// permit is given back and the clock told in every case, a panic included: no
// mailbox is forgotten because an actor has lost sight of it.
func (t *tree) run(ctx context.Context, m work, w *waiter, news time.Time) passed {
	s := &scheduled{tree: t, work: m, announced: news, user: m.permit.User, box: m.permit.Box,
		lane: admit.Ended{Unused: true}, news: ended{box: m.permit.Box, how: refused}}
	s.piece = &piece{kind: aPass, user: s.user, box: s.box, permit: &m.permit}
	ctx, err := t.tracker.enter(ctx, s.piece)
	if err != nil {
		t.tell(t.governor, freed{m.permit, s.lane})
		t.tell(t.clock, s.news)
		return passed{}
	}
	t.tell(t.governor, began{m.permit})
	t.opts.Metrics.Running(int(t.running.Add(1)))
	start := time.Now()
	s.news.how, s.news.marked, s.word = panicked, true, "panic"
	defer func() {
		s.drop()
		t.tracker.leave(s.piece)
		t.opts.Metrics.Running(int(t.running.Add(-1)))
		t.opts.Metrics.PassEnded(s.word, s.settings.Protocol, time.Since(start))
		t.tell(t.governor, freed{m.permit, s.lane})
		t.tell(t.clock, s.news)
	}()
	s.parked = w.take(ctx)
	return s.pass(ctx, m.account)
}

// pass opens the account, runs the job and settles what comes of it.
func (s *scheduled) pass(ctx context.Context, shared *shared) passed {
	a, err := shared.get(ctx)
	if err != nil {
		return s.withoutJob(ctx, err)
	}
	defer shared.put()
	s.opened = a
	job, err := a.Prepare(ctx, s.box)
	if err != nil {
		return s.withoutJob(ctx, err)
	}
	if job.Close != nil {
		defer job.Close()
	}
	s.settings = job.Settings
	if job.State.Phase == schedule.Paused { // by somebody else, since it was armed
		s.news, s.word = ended{box: s.box, how: finished, settled: true, state: job.State, marked: s.dirty}, "drained"
		return passed{}
	}
	before := s.remember(job.State)
	s.fit(&job, before)
	s.dialled, s.lane.Unused = true, false
	report, err := s.opts.sync(ctx, job.Pass)
	return s.settle(ctx, job, before, report, err)
}

// fit makes the job this pass.
func (s *scheduled) fit(job *Job, before schedule.State) {
	s.news.single = job.Pass.Connections <= 1
	// After a crash that may have come between what it noted and dropping the
	// digest, and now and then in any case.
	if s.dirty || s.opts.Policy.Relist(before, job.Settings) {
		job.Pass.Digest = mail.Key{}
	}
	job.Pass.Connections = min(max(1, job.Pass.Connections), s.permit.Connections())
	if m := job.Marker; m != nil {
		m.may = func() error { return s.tracker.mayUpload(s.piece) }
		m.begin = func(ctx context.Context) error { return s.cleaner.begin(ctx, s.user, s.box) }
	}
	// The delay of what push has announced; with a backlog it could be old mail.
	announced := !s.announced.IsZero() && job.State.Backlog.Messages == 0
	tell := job.Pass.Progress
	job.Pass.Progress = func(e bridge.Event) {
		s.piece.watch(e)
		if e.Status == mail.Imported && announced {
			s.opts.Metrics.MailDelay(time.Since(s.announced))
		}
		if tell != nil {
			tell(e)
		}
	}
	if s.parked != nil && job.Resume != nil {
		job.Pass.Dialer = job.Resume(s.parked)
		s.parked = nil
	}
	s.drop()
}

// drop closes a parked connection that the pass has no use for.
func (s *scheduled) drop() {
	if s.parked != nil {
		s.parked.Close()
		s.parked = nil
	}
}

// remember adds to the stored state what was not worth storing, or could not be.
func (s *scheduled) remember(st schedule.State) schedule.State {
	if kept, ok := s.unsaved.of(s.box); ok {
		kept.Digest = st.Digest
		st, s.owed = kept, true
	}
	if s.every > 0 {
		st.Interval = s.every
	}
	if s.last.After(st.LastSync) {
		st.LastSync = s.last
	}
	return st
}

// withoutJob settles a pass that could not begin.
func (s *scheduled) withoutJob(ctx context.Context, err error) passed {
	if errors.Is(err, account.ErrNone) {
		s.news, s.word = ended{box: s.box, how: gone}, "drained"
		return passed{}
	}
	before, e := s.opts.Registry.Schedule(ctx, s.user, s.box)
	switch {
	case errors.Is(e, account.ErrNone):
		s.news, s.word = ended{box: s.box, how: gone}, "drained"
		return passed{}
	case e != nil:
		before, s.blind = schedule.State{}, true
	}
	return s.settle(ctx, Job{Settings: s.settings}, s.remember(before), bridge.Report{}, err)
}

// settle decides what is next, and writes what must survive.
func (s *scheduled) settle(ctx context.Context, job Job, before schedule.State, report bridge.Report, err error) passed {
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if f, ok := mail.AsFault(err); ok && f.Class == mail.RateLimited {
		s.opts.Metrics.Refusals(f.Scope)
	}
	s.lane.Result = s.result(report, err)
	s.word = wordOf(report, err)
	marked := s.dirty || job.Marker.isMarked()
	if ours(err) {
		s.news = ended{box: s.box, how: cut, marked: marked, single: s.news.single}
		return passed{}
	}
	if marked && err == nil {
		s.cleaner.add(s.box)
		marked = false
	}
	s.say(err)
	now := time.Now()
	after := s.opts.Policy.Next(before, job.Settings, outcome(now, report, err, s.piece))
	if !s.blind && (s.owed || schedule.Worth(before, after)) && !s.save(ctx, after) {
		s.news = ended{box: s.box, how: gone}
		return passed{}
	}
	p := passed{brought: report.Imported > 0}
	if f, ok := mail.AsFault(err); ok && f.Class == mail.Revoked {
		p.revoked, p.account, p.opened = f, s.account, s.opened
	}
	// With history that waits for its budget the mailbox is idle, and new mail is welcome.
	if after.Phase == schedule.Idle && after.Until.IsZero() && job.Park != nil && !s.drained() {
		p.parked, _ = job.Park(ctx) // without it the mailbox is polled
	}
	if p.parked != nil { // not polled: its interval is for when it will be
		after.Interval = min(after.Interval, before.Interval)
	}
	due, armed := s.due(after, job.Settings, p.parked != nil, now)
	s.news = ended{box: s.box, how: finished, settled: true, state: after, due: due, armed: armed,
		single: s.news.single, marked: marked, parked: p.parked != nil,
		brought: p.brought, floor: s.opts.Policy.Floor(after, job.Settings)}
	return p
}

// say logs why a pass failed. What is no Fault is ours, and the operator is the
// only one who learns of it.
func (s *scheduled) say(err error) {
	switch _, ok := mail.AsFault(err); {
	case err == nil:
	case ok:
		s.opts.Log.Debug("pass failed", "mailbox", s.box, "status", s.word)
	default:
		s.opts.Log.Error("pass failed", "mailbox", s.box, "err", err)
	}
}

// due is when the mailbox is looked at next, from now. Where it is parked that
// is a net below the connection's own timer.
func (s *scheduled) due(st schedule.State, set schedule.Settings, parked bool, now time.Time) (time.Duration, bool) {
	set.Push = parked
	at, ok := s.opts.Policy.Due(st, set, now)
	due := sane(at.Sub(now))
	if parked {
		due = 2*due + pushNet
	}
	return due, ok
}

const (
	pushNet  = 20 * time.Minute
	farthest = 25 * time.Hour
)

// sane bounds a duration that was computed from wall clocks, of which one may
// have been wrong.
func sane(d time.Duration) time.Duration { return min(max(d, 0), farthest) }

// save writes a state; false: the mailbox is gone. Anything else that keeps it
// from being written costs no mail, only that the next start knows less; this
// process remembers.
func (s *scheduled) save(ctx context.Context, st schedule.State) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	err := s.opts.Registry.Save(ctx, s.user, s.box, st)
	if err != nil && !errors.Is(err, account.ErrNone) {
		s.opts.Log.Warn("state of a mailbox not saved", "mailbox", s.box, "err", err)
		s.unsaved.keep(s.box, st)
		return true
	}
	s.unsaved.drop(s.box)
	return err == nil
}

// ours reports an end that we brought about, and that says nothing about the
// mailbox. The end of a grant does: it comes as a Fault.
func ours(err error) bool {
	for _, cause := range []error{ErrDrained, ErrPaused, ErrStopped, errRestarted, context.Canceled} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

func outcome(now time.Time, r bridge.Report, err error, p *piece) schedule.Outcome {
	o := schedule.Outcome{Now: now, Err: err, Imported: r.Imported, Digest: r.Digest, Floor: r.LoginDelay,
		Backlog: schedule.Backlog{Messages: r.Left, Bytes: r.LeftBytes}}
	if r.Left > 0 && r.Imported > 0 { // at the pace of this pass
		each := now.Sub(p.begun) / time.Duration(r.Imported)
		o.Backlog.ETA = now.Add(min(each*time.Duration(r.Left), 10*365*24*time.Hour))
	}
	return o
}

// missing are the codes of a server that cannot be reached or falls silent.
var missing = map[string]bool{
	"dns": true, "timeout_connect": true, "unreachable": true, "tls_handshake": true, "cut": true, "timeout": true,
	"too_slow": true, "server_busy": true, "source_unavailable": true, "source_silent": true,
}

// onlyThis are requests to slow down that concern one maildrop, not its server.
// Nor is host_busy its wish: it is our own limit.
var onlyThis = map[string]bool{"mailbox_locked": true, "login_delay": true, "host_busy": true}

// result is what the pass says about its mail server.
func (s *scheduled) result(r bridge.Report, err error) admit.Result {
	f, fault := mail.AsFault(err)
	switch {
	case !s.dialled || ours(err):
		return admit.Nothing
	case err == nil:
		return admit.Reached
	case fault && f.Class == mail.RateLimited && f.Scope == "source" && !onlyThis[f.Code]:
		return admit.Slower
	case fault && f.Class == mail.Transient && missing[f.Code]:
		if r.Listed > 0 {
			return admit.Reached // it worked for a while
		}
		return admit.Missed
	case fault && (f.Class == mail.Login || f.Class == mail.Protocol || f.Scope == "source"), r.Listed > 0:
		return admit.Reached
	}
	return admit.Nothing
}

// wordOf is how the metrics call the end of a pass.
func wordOf(r bridge.Report, err error) string {
	switch {
	case err == nil && r.Unchanged:
		return "unchanged"
	case err == nil:
		return "ok"
	case ours(err):
		return "drained"
	case errors.Is(err, ledger.ErrFenced):
		return "fenced"
	}
	switch mail.ClassOf(err) {
	case mail.RateLimited:
		return "rate_limited"
	case mail.Login, mail.Grant, mail.Revoked, mail.Setup, mail.Protocol:
		return [...]string{mail.Login: "login", mail.Grant: "grant", mail.Revoked: "revoked",
			mail.Setup: "setup", mail.Protocol: "protocol"}[mail.ClassOf(err)]
	}
	return "transient"
}
