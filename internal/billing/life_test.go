package billing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/billing/stripetest"
	"github.com/smtp-sync/smtp-sync/internal/plan"
)

// lives are what may become of a subscription. Each step changes it and makes
// the events that Stripe makes of that.
var lives = map[string]struct {
	steps []func(w *world, customer, sub string)
	want  plan.Plan
	stop  bool
}{
	"upgraded": {want: plan.Pro, steps: []func(w *world, customer, sub string){
		price("price_pro"),
	}},
	"downgraded": {want: plan.Plus, steps: []func(w *world, customer, sub string){
		price("price_pro"), price("price_plus"),
	}},
	"late and paid": {want: plan.Plus, steps: []func(w *world, customer, sub string){
		late(time.Hour), paid,
	}},
	"late": {want: plan.Plus, steps: []func(w *world, customer, sub string){
		late(plan.Grace - time.Hour),
	}},
	"too late": {want: plan.Plus, stop: true, steps: []func(w *world, customer, sub string){
		late(plan.Grace + time.Hour),
	}},
	"given up by Stripe": {want: plan.Plus, stop: true, steps: []func(w *world, customer, sub string){
		late(plan.Grace + time.Hour), status("unpaid", "customer.subscription.updated"),
	}},
	"cancelled at its end": {want: plan.Free, steps: []func(w *world, customer, sub string){
		func(w *world, _, sub string) {
			w.stripe.Change(sub, []string{"customer.subscription.updated"}, func(s *stripetest.State) { s.Cancels = true })
		},
		status("canceled", "customer.subscription.deleted"),
	}},
	"cancelled and begun anew": {want: plan.Pro, steps: []func(w *world, customer, sub string){
		status("canceled", "customer.subscription.deleted"),
		func(w *world, customer, _ string) {
			w.stripe.Subscribe(customer, "price_pro", "active", time.Now())
		},
	}},
	"paused and resumed": {want: plan.Plus, steps: []func(w *world, customer, sub string){
		status("paused", "customer.subscription.paused"), status("active", "customer.subscription.resumed"),
	}},
}

func price(p string) func(w *world, customer, sub string) {
	return func(w *world, _, sub string) {
		w.stripe.Change(sub, []string{"customer.subscription.updated", "invoice.paid"}, func(s *stripetest.State) { s.Price = p })
	}
}

func late(by time.Duration) func(w *world, customer, sub string) {
	return func(w *world, _, sub string) {
		w.stripe.Change(sub, []string{"invoice.payment_failed", "customer.subscription.updated"}, func(s *stripetest.State) {
			s.Status, s.Invoiced = "past_due", time.Now().Add(-by)
		})
	}
}

func paid(w *world, _, sub string) {
	w.stripe.Change(sub, []string{"invoice.paid", "customer.subscription.updated"}, func(s *stripetest.State) { s.Status = "active" })
}

func status(to, event string) func(w *world, customer, sub string) {
	return func(w *world, _, sub string) {
		w.stripe.Change(sub, []string{event}, func(s *stripetest.State) { s.Status = to })
	}
}

// TestAnyPermutationOfALifesEventsEndsInTheSameEntitlement: late, twice, in any
// order while things go on, or not at all.
func TestAnyPermutationOfALifesEventsEndsInTheSameEntitlement(t *testing.T) {
	t.Parallel()
	for name, life := range lives {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for seed := range uint64(25) {
				u, err := w.store.EnsureUser(t.Context(), fmt.Sprint(name, seed))
				ok(t, err)
				w.user = u.ID
				customer, r := w.enrolled(), rand.New(rand.NewPCG(seed, 7))
				began := len(w.stripe.Events())
				sub := w.stripe.Subscribe(customer, "price_plus", "active", time.Now())
				lost := false
				var waiting []stripetest.Event
				take := func() { // what has happened is on its way: some of it twice, some of it lost
					for _, e := range w.stripe.Events()[began:] {
						switch r.IntN(8) {
						case 0:
							lost = true
							continue
						case 1, 2:
							waiting = append(waiting, e)
						}
						waiting = append(waiting, e)
					}
					began = len(w.stripe.Events())
					r.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
				}
				arrive := func(n int) {
					for _, e := range waiting[:n] {
						if got := w.deliver(e); got != 200 {
							t.Fatalf("seed %d: a delivery is answered %d", seed, got)
						}
						if r.IntN(2) == 0 {
							ok(t, w.desk.Run(t.Context()))
						}
					}
					waiting = waiting[n:]
				}
				for _, step := range life.steps {
					take()
					arrive(r.IntN(len(waiting) + 1))
					step(w, customer, sub)
				}
				take()
				arrive(len(waiting))
				if lost {
					ok(t, w.store.AllCustomersDue(t.Context())) // as the night does
				}
				ok(t, w.desk.Run(t.Context()))
				if e := w.entitled(); e.Plan != life.want || e.Stopped != life.stop {
					t.Fatalf("seed %d (lost: %v): %+v, want %s, stopped: %v", seed, lost, e, life.want, life.stop)
				}
			}
		})
	}
}

// TestEveryPermutationOfOneLife tries all of them, each with a customer of its
// own, whose state Stripe has brought to an end before the first arrives.
func TestEveryPermutationOfOneLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := 0
	permute([]int{0, 1, 2, 3, 4}, 0, func(order []int) {
		u, err := w.store.EnsureUser(t.Context(), fmt.Sprint(order))
		ok(t, err)
		w.user = u.ID
		customer, began := w.enrolled(), len(w.stripe.Events())
		sub := w.stripe.Subscribe(customer, "price_plus", "active", time.Now())
		late(plan.Grace+time.Hour)(w, customer, sub)
		price("price_pro")(w, customer, sub)
		paid(w, customer, sub)
		events := w.stripe.Events()[began+2:] // created, paid, failed, updated, updated, …
		for _, i := range order {
			w.deliver(events[i])
			ok(t, w.desk.Run(t.Context()))
		}
		if e := w.entitled(); e.Plan != plan.Pro || e.Stopped {
			t.Fatalf("permutation %v: %+v", order, e)
		}
		n++
	})
	if n != 120 {
		t.Errorf("permutations = %d, want 120", n)
	}
}

func permute(e []int, k int, f func([]int)) {
	if k == len(e) {
		f(e)
		return
	}
	for i := k; i < len(e); i++ {
		e[k], e[i] = e[i], e[k]
		permute(e, k+1, f)
		e[k], e[i] = e[i], e[k]
	}
}
