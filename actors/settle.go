package actors

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

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
	after := s.opts.Policy.Next(before, job.Settings, s.outcome(now, report, err))
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

func (s *scheduled) outcome(now time.Time, r bridge.Report, err error) schedule.Outcome {
	p := s.piece
	o := schedule.Outcome{Now: now, Err: err, Imported: r.Imported, Digest: r.Digest, Floor: r.LoginDelay,
		Undone: r.Undone, Unasked: s.unasked,
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
