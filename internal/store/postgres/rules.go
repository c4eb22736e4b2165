package postgres

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// ruleSettings are what is sealed of a rule.
type ruleSettings struct {
	Name   string `json:"name"`
	Plugin string `json:"plugin"`
	Config []byte `json:"config,omitempty"`
}

// Rules gives a user's rules in their order.
func (s *Store) Rules(ctx context.Context, user id.User) (out []rules.Rule, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return nil, err
	}
	var boxes []userdb.RuleMailboxesRow
	err = s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		out, err = p.rules(ctx, q)
		if err == nil && len(out) > 0 {
			boxes, err = q.RuleMailboxes(ctx)
		}
		return err
	})
	at := make(map[id.Rule]int, len(out))
	for i, r := range out {
		at[r.ID] = i
	}
	for _, b := range boxes {
		if i, known := at[id.Rule(b.Rule)]; known && !out[i].Everywhere {
			out[i].Mailboxes = append(out[i].Mailboxes, id.Mailbox(b.ID))
		}
	}
	return out, err
}

// rules gives them without their mailboxes.
func (p *person) rules(ctx context.Context, q *userdb.Queries) (out []rules.Rule, err error) {
	rows, err := q.Rules(ctx)
	for _, r := range rows {
		var is ruleSettings
		if err := opened(p.key, p.place("rules", "settings", r.ID), r.Settings, &is); err != nil {
			return nil, err
		}
		out = append(out, rules.Rule{ID: id.Rule(r.ID), Name: is.Name, Plugin: is.Plugin, Config: is.Config, Everywhere: r.Everywhere,
			Enabled: r.Enabled, Created: instant(r.Created), Runs: rules.Runs{Asked: r.Runs, Failed: r.Failures, Fault: r.Fault}})
	}
	return out, err
}

// PutRule makes a rule (its ID is zero) or replaces one, and puts it at a
// position, as rules.Place has it. account.ErrNone: there is no such rule, or no
// such mailbox. rules.ErrTooMany.
func (s *Store) PutRule(ctx context.Context, user id.User, r rules.Rule, at int) (rules.Rule, error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return r, err
	}
	err = noReferent(s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		if _, err := q.LockProfile(ctx); err != nil {
			return none(err)
		}
		return p.putRule(ctx, q, &r, at)
	}))
	return r, err
}

// putRule is part of a transaction.
func (p *person) putRule(ctx context.Context, q *userdb.Queries, r *rules.Rule, at int) error {
	have, err := p.rules(ctx, q)
	if err != nil {
		return err
	}
	order, known := make([]id.Rule, len(have)), false
	for i, o := range have {
		order[i] = o.ID
		if o.ID == r.ID {
			known = true
			r.Created, r.Runs = o.Created, o.Runs
		}
	}
	switch {
	case known:
	case r.ID != id.Rule{}:
		return account.ErrNone
	case len(have) >= rules.Max:
		return rules.ErrTooMany
	default:
		r.ID, r.Created, r.Runs = id.New[id.Rule](), time.Now(), rules.Runs{}
	}
	text, err := sealed(p.key, p.place("rules", "settings", r.ID[:]), ruleSettings{r.Name, r.Plugin, r.Config})
	if err != nil {
		return err
	}
	err = q.PutRule(ctx, userdb.PutRuleParams{ID: r.ID[:], Settings: text, Everywhere: r.Everywhere, Enabled: r.Enabled, Created: nanos(r.Created)})
	if err == nil {
		err = q.ClearRuleMailboxes(ctx, r.ID[:])
	}
	if err == nil && !r.Everywhere && len(r.Mailboxes) > 0 {
		err = addRuleMailboxes(ctx, q, r)
	}
	if err != nil {
		return err
	}
	return placeRules(ctx, q, rules.Place(order, r.ID, at))
}

// addRuleMailboxes wants every one of them to be there.
func addRuleMailboxes(ctx context.Context, q *userdb.Queries, r *rules.Rule) error {
	boxes, wanted := make([][]byte, len(r.Mailboxes)), map[id.Mailbox]bool{}
	for i, box := range r.Mailboxes {
		boxes[i], wanted[box] = box[:], true
	}
	n, err := q.AddRuleMailboxes(ctx, userdb.AddRuleMailboxesParams{Rule: r.ID[:], Mailboxes: boxes})
	if err == nil && int(n) != len(wanted) {
		err = account.ErrNone
	}
	return err
}

func placeRules(ctx context.Context, q *userdb.Queries, order []id.Rule) error {
	ids := make([][]byte, len(order))
	for i, r := range order {
		ids[i] = r[:]
	}
	return q.PlaceRules(ctx, ids)
}

// DropRule forgets a rule. account.ErrNone.
func (s *Store) DropRule(ctx context.Context, user id.User, rule id.Rule) error {
	return s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		if _, err := q.LockProfile(ctx); err != nil {
			return none(err)
		}
		if err := noneOf(q.DropRule(ctx, rule[:])); err != nil {
			return err
		}
		rows, err := q.Rules(ctx)
		order := make([]id.Rule, len(rows))
		for i, o := range rows {
			order[i] = id.Rule(o.ID)
		}
		if err != nil {
			return err
		}
		return placeRules(ctx, q, order)
	})
}

// CountRuns adds to what rules have done; one that is not there any more is
// passed over.
func (s *Store) CountRuns(ctx context.Context, user id.User, runs map[id.Rule]rules.Runs) error {
	var p userdb.CountRunsParams
	for r, n := range runs {
		p.Ids, p.Asked, p.Failed, p.Faults = append(p.Ids, r[:]), append(p.Asked, n.Asked), append(p.Failed, n.Failed), append(p.Faults, n.Fault)
	}
	return s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error { return q.CountRuns(ctx, p) })
}
