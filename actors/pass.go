package actors

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
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
	unasked  bool // the source policy is withheld
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
	if job.Pass.AfterImport != bridge.Leave && s.opts.Policy.Withheld(before, time.Now()) {
		job.Pass.AfterImport, s.unasked = bridge.Leave, true
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
