package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func (s *Store) customerHash(customer string) []byte {
	h := s.index.Index("customer", customer)
	return h[:]
}

// Billing gives how a user stands, or account.ErrNone: he is nobody's customer.
func (s *Store) Billing(ctx context.Context, user id.User) (a plan.Account, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			r, err := u.q.GetBilling(ctx)
			if err != nil {
				return none(err)
			}
			customer, err := u.key.Open(u.place("billing", "customer", nil), r.Customer)
			if err != nil {
				return err
			}
			a.Customer = customer.RevealString()
			return json.Unmarshal([]byte(r.State), &a.Subscription)
		})
	})
	return a, err
}

// LinkCustomer keeps who a user is to the one who bills. The way back to him is
// there first: an event finds him, or nothing happens.
func (s *Store) LinkCustomer(ctx context.Context, user id.User, customer string) error {
	p := systemdb.LinkCustomerParams{Hash: s.customerHash(customer), UserID: user[:]}
	err := s.system.write(ctx, func() error { return noneOf(s.q.LinkCustomer(context.Background(), p)) })
	if err != nil {
		return err
	}
	return s.inUser(ctx, user, func(u *userDB) error {
		sealed := u.key.Seal(u.place("billing", "customer", nil), vault.NewSecret(customer))
		return u.write(ctx, func() error { return u.q.PutCustomer(context.Background(), sealed) })
	})
}

// SaveSubscription keeps what a customer has subscribed to, or account.ErrNone.
func (s *Store) SaveSubscription(ctx context.Context, user id.User, sub plan.Subscription) error {
	text, err := json.Marshal(sub)
	if err != nil {
		return err
	}
	return s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error { return noneOf(u.q.PutSubscription(context.Background(), string(text))) })
	})
}

// TakeEvent notes, in one transaction, that an event has come and that its
// customer is due; of nobody's customer, that it has come.
func (s *Store) TakeEvent(ctx context.Context, event, customer string, until time.Time) (first bool, err error) {
	once := s.onceParams(session.StripeEvent, event, until)
	p := systemdb.CustomerDueParams{Due: time.Now().UnixNano(), Hash: s.customerHash(customer)}
	err = s.system.write(ctx, func() error {
		return s.system.alone(func() error {
			n, err := s.q.UseOnce(context.Background(), once)
			if first = n == 1; err != nil || !first {
				return err
			}
			return s.q.CustomerDue(context.Background(), p)
		})
	})
	if err == nil && first {
		s.stir()
	}
	return first && err == nil, err
}

// DueCustomers gives up to most users whose customer is to be fetched, who has
// waited longest first.
func (s *Store) DueCustomers(ctx context.Context, now time.Time, most int) (out []plan.Due, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		rows, err := s.q.DueCustomers(ctx, systemdb.DueCustomersParams{Now: now.UnixNano(), Most: int64(most)})
		for _, r := range rows {
			out = append(out, plan.Due{User: id.User(r.UserID), At: time.Unix(0, r.Due)})
		}
		return err
	})
	return out, err
}

// AnyCustomerDue reports whether one is.
func (s *Store) AnyCustomerDue(ctx context.Context) (any bool, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		n, err := s.q.CountDueCustomers(ctx, time.Now().UnixNano())
		any = n > 0
		return err
	})
	return any, err
}

// CustomerSeen sets the time of a customer anew, unless it was set meanwhile;
// zero: when something happens.
func (s *Store) CustomerSeen(ctx context.Context, d plan.Due, next time.Time) error {
	p := systemdb.CustomerSeenParams{Next: nanos(next), UserID: d.User[:], Due: d.At.UnixNano()}
	return s.system.write(ctx, func() error { return s.q.CustomerSeen(context.Background(), p) })
}

// AllCustomersDue has every customer fetched.
func (s *Store) AllCustomersDue(ctx context.Context) error {
	now := time.Now().UnixNano()
	err := s.system.write(ctx, func() error { return s.q.AllCustomersDue(context.Background(), now) })
	if err == nil {
		s.stir()
	}
	return err
}
