package cli

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/billing"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/jobs"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/server"
)

// openDesk makes what sells plans, where there is a key for it.
func (p *parts) openDesk(engine *actors.Engine) {
	cfg := p.cfg
	if cfg.StripeSecretKey.Empty() {
		return
	}
	prices := map[plan.Plan]string{}
	for name, price := range cfg.StripePrices {
		prices[plan.Plan(name)] = price
	}
	p.desk = billing.New(billing.Options{
		Key: cfg.StripeSecretKey, Hooks: cfg.StripeWebhookSecret, APIURL: cfg.StripeAPIURL, Prices: prices,
		Site: strings.TrimSuffix(cfg.PublicURL, "/"), Store: p.store, Log: p.log, Transport: gmail.NewTransport(p.roots),
		Apply: func(ctx context.Context, user id.User) error { return p.applyPlan(ctx, engine, user) },
	})
}

// bills is the desk for the jobs; nil, and not a nil in an interface, without.
func (p *parts) bills() jobs.Billing {
	if p.desk == nil {
		return nil
	}
	return p.desk
}

// sells is the desk for the pages.
func (p *parts) sells() server.Billing {
	if p.desk == nil {
		return nil
	}
	return p.desk
}

// licence is what a user may use, read once for as long as he is at work: who
// changes it ends that (Engine.UserChanged).
type licence struct {
	mu    sync.Mutex
	known bool
	sub   plan.Subscription
	boxes map[id.Mailbox]plan.Box // that want to run
}

// allowed is what a user may use now.
type allowed struct {
	plan.Entitlements
	runs map[id.Mailbox]bool // nil: all
}

// push reports whether a server may tell of new mail.
func (a allowed) push() bool { return a.Plan == "" || a.Push }

// of gives what a user may use, as far as it is about a mailbox.
func (l *licence) of(ctx context.Context, p *parts, user id.User, box id.Mailbox) (allowed, error) {
	if p.desk == nil {
		return allowed{}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Who has paused another one meanwhile has made room for this: look before it
	// is turned away.
	if may := p.allows(l.sub, l.boxes); !l.known || !may.runs[box] {
		a, err := p.store.Billing(ctx, user)
		if err != nil && !errors.Is(err, account.ErrNone) {
			return allowed{}, err
		}
		wants, err := p.wants(ctx, user)
		if err != nil {
			return allowed{}, err
		}
		l.known, l.sub, l.boxes = true, a.Subscription, wants
	}
	return p.allows(l.sub, l.boxes), nil
}

func (p *parts) allows(sub plan.Subscription, boxes map[id.Mailbox]plan.Box) allowed {
	var all []plan.Box
	for b := range maps.Values(boxes) {
		all = append(all, b)
	}
	e := plan.Entitle(sub, time.Now())
	return allowed{e, e.Runs(all)}
}

// wants gives the mailboxes of a user that he has not paused himself.
func (p *parts) wants(ctx context.Context, user id.User) (map[id.Mailbox]plan.Box, error) {
	boxes, err := p.store.Mailboxes(ctx, user)
	if err != nil {
		return nil, err
	}
	out := map[id.Mailbox]plan.Box{}
	for _, m := range boxes {
		st, err := p.store.Schedule(ctx, user, m.ID)
		if errors.Is(err, account.ErrNone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if st.Phase != schedule.Paused || byPlan(st) {
			out[m.ID] = plan.Box{ID: m.ID, Created: m.Created}
		}
	}
	return out, nil
}

// Codes of mailboxes that a plan has paused.
const (
	codePlan    = "plan"
	codeBilling = "billing"
)

func byPlan(st schedule.State) bool {
	return st.Phase == schedule.Paused && (st.Reason.Code == codePlan || st.Reason.Code == codeBilling)
}

// beyond tells why a mailbox does not run.
func beyond(a allowed, box id.Mailbox) (schedule.Reason, bool) {
	switch {
	case a.runs == nil || a.runs[box]:
		return schedule.Reason{}, false
	case a.Stopped:
		return schedule.Reason{Code: codeBilling, Detail: "a payment is missing, so that nothing is synced; nothing is deleted",
			Help: "pay, or cancel the plan, under Settings: then it goes on, and nothing comes twice"}, true
	}
	return schedule.Reason{Code: codePlan, Detail: "your plan has room for fewer mailboxes than you have; nothing is deleted",
		Help: "choose a larger plan under Settings, or pause another mailbox and resume this one"}, true
}

// pausedByPlan keeps why a mailbox does not run; its pass ends before it begins.
func (p *person) pausedByPlan(ctx context.Context, box id.Mailbox, st schedule.State, why schedule.Reason) (actors.Job, error) {
	st.Phase, st.Until, st.Reason = schedule.Paused, time.Time{}, why
	if err := p.store.Save(ctx, p.user, box, st); err != nil {
		return actors.Job{}, err
	}
	return actors.Job{State: st}, nil
}

// applyPlan has the engine heed what a user may use now. What may run again goes
// on at once; what may not is stopped, its connection closed, and paused by its
// next pass, which is the one place where that is decided.
func (p *parts) applyPlan(ctx context.Context, engine *actors.Engine, user id.User) error {
	a, err := p.store.Billing(ctx, user)
	if err != nil {
		return err
	}
	boxes, err := p.wants(ctx, user)
	if err != nil {
		return err
	}
	may := p.allows(a.Subscription, boxes)
	stop := false
	var resume []id.Mailbox
	for box := range boxes {
		st, err := p.store.Schedule(ctx, user, box)
		if err != nil {
			continue // it is gone
		}
		switch why, stopped := beyond(may, box); {
		case stopped && st.Reason.Code != why.Code:
			stop = true
		case !stopped && byPlan(st):
			resume = append(resume, box)
		}
	}
	if stop {
		if err := p.restart(ctx, engine, user, boxes); err != nil {
			return err
		}
	}
	if stop || len(resume) > 0 {
		engine.UserChanged(user)
	}
	for _, box := range resume {
		if err := engine.Resume(ctx, user, box); err != nil && !errors.Is(err, account.ErrNone) {
			return err
		}
	}
	return nil
}

// restart ends all that works for a user and puts his mailboxes back into the
// schedule, due at once, but for those that he has paused.
func (p *parts) restart(ctx context.Context, engine *actors.Engine, user id.User, boxes map[id.Mailbox]plan.Box) error {
	if err := (ending{p, engine}).stop(ctx, user); err != nil {
		return err
	}
	all, err := p.store.Mailboxes(ctx, user)
	if err != nil {
		return err
	}
	for _, m := range all {
		r, err := p.store.Registered(ctx, user, m.ID)
		if err != nil {
			continue
		}
		engine.Register(r)
		if _, wants := boxes[m.ID]; wants && r.Phase != schedule.Paused {
			if err := engine.SyncNow(ctx, user, m.ID); err != nil && !errors.Is(err, account.ErrNone) && !errors.Is(err, actors.ErrPaused) {
				return err
			}
		}
	}
	return nil
}
