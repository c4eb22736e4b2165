package sqlite

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

// Rules gives a user's rules in their order.
func (s *Store) Rules(ctx context.Context, user id.User) (out []rules.Rule, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			rows, err := u.q.Rules(ctx)
			if err != nil || len(rows) == 0 {
				return err
			}
			at := make(map[id.Rule]int, len(rows))
			for i, r := range rows {
				at[id.Rule(r.ID)] = i
				out = append(out, rules.Rule{
					ID: id.Rule(r.ID), Name: r.Name, Plugin: r.Plugin, Config: []byte(r.Config), Everywhere: r.Everywhere != 0,
					Enabled: r.Enabled != 0, Created: instant(r.Created),
					Runs: rules.Runs{Asked: r.Runs, Failed: r.Failures, Fault: r.Fault},
				})
			}
			boxes, err := u.q.RuleMailboxes(ctx)
			for _, b := range boxes {
				if i, known := at[id.Rule(b.Rule)]; known && !out[i].Everywhere {
					out[i].Mailboxes = append(out[i].Mailboxes, id.Mailbox(b.ID))
				}
			}
			return err
		})
	})
	return out, err
}

// PutRule makes a rule (its ID is zero) or replaces one, and puts it at a
// position, as rules.Place has it. account.ErrNone: there is no such rule, or no
// such mailbox. rules.ErrTooMany.
func (s *Store) PutRule(ctx context.Context, user id.User, r rules.Rule, at int) (rules.Rule, error) {
	err := s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			return u.alone(func() error { return u.putRule(&r, at) })
		})
	})
	return r, err
}

// putRule is part of a transaction.
func (u *userDB) putRule(r *rules.Rule, at int) error {
	ctx := context.Background()
	rows, err := u.q.Rules(ctx)
	if err != nil {
		return err
	}
	order, known := make([]id.Rule, len(rows)), false
	for i, o := range rows {
		order[i] = id.Rule(o.ID)
		if order[i] == r.ID {
			known = true
			r.Created, r.Runs = instant(o.Created), rules.Runs{Asked: o.Runs, Failed: o.Failures, Fault: o.Fault}
		}
	}
	switch {
	case known:
	case r.ID != id.Rule{}:
		return account.ErrNone
	case len(rows) >= rules.Max:
		return rules.ErrTooMany
	default:
		r.ID, r.Created, r.Runs = id.New[id.Rule](), time.Now(), rules.Runs{}
	}
	err = u.q.PutRule(ctx, userdb.PutRuleParams{ID: r.ID[:], Name: r.Name, Plugin: r.Plugin, Config: string(r.Config),
		Everywhere: number(r.Everywhere), Enabled: number(r.Enabled), Created: nanos(r.Created)})
	if err == nil {
		err = u.q.ClearRuleMailboxes(ctx, r.ID[:])
	}
	for _, box := range r.Mailboxes {
		if err == nil && !r.Everywhere {
			err = noneOf(u.q.AddRuleMailbox(ctx, userdb.AddRuleMailboxParams{Rule: r.ID[:], Mailbox: box[:]}))
		}
	}
	if err != nil {
		return err
	}
	return u.placeRules(rules.Place(order, r.ID, at))
}

func (u *userDB) placeRules(order []id.Rule) error {
	for i, r := range order {
		if err := u.q.PlaceRule(context.Background(), userdb.PlaceRuleParams{Position: int64(i + 1), ID: r[:]}); err != nil {
			return err
		}
	}
	return nil
}

// DropRule forgets a rule. account.ErrNone.
func (s *Store) DropRule(ctx context.Context, user id.User, rule id.Rule) error {
	return s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			return u.alone(func() error {
				if err := noneOf(u.q.DropRule(context.Background(), rule[:])); err != nil {
					return err
				}
				rows, err := u.q.Rules(context.Background())
				order := make([]id.Rule, len(rows))
				for i, o := range rows {
					order[i] = id.Rule(o.ID)
				}
				if err == nil {
					err = u.placeRules(order)
				}
				return err
			})
		})
	})
}

// CountRuns adds to what rules have done; one that is not there any more is
// passed over.
func (s *Store) CountRuns(ctx context.Context, user id.User, runs map[id.Rule]rules.Runs) error {
	return s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			for r, n := range runs {
				err := u.q.CountRuns(context.Background(), userdb.CountRunsParams{ID: r[:], Runs: n.Asked, Failures: n.Failed, Fault: n.Fault})
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}
