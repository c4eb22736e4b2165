package main

func init() { mutants = append(mutants, ofBilling...) }

// ofBilling are the protections of plans and of what Stripe tells.
var ofBilling = []mutant{
	{
		name: "stripe-unsigned", why: "anybody may say what Stripe says",
		edits: in("internal/billing/webhook.go", "if err := d.verify(body, signature); err != nil {", "if false {\n\t\tvar err error"),
		pkg:   "./internal/billing", run: "NotStripes|Forged",
	},
	{
		name: "stripe-one-secret", why: "while a secret is exchanged the old one is refused",
		edits: in("internal/billing/webhook.go", "range d.o.Hooks {", "range d.o.Hooks[:1] {"),
		pkg:   "./internal/billing", run: "NotStripes",
	},
	{
		name: "stripe-twice", why: "a repeated event is fetched for again",
		edits: in("internal/store/sqlite/billing.go", "if first = n == 1; err != nil || !first {", "if first = n == 1; err != nil {"),
		pkg:   "./internal/billing", run: "RepeatedEvent",
	},
	{
		name: "graceless", why: "a payment that fails stops everything at once",
		edits: in("internal/plan/plan.go", "now.Before(end)", "false"),
		pkg:   "./internal/plan", run: "Status",
	},
	{
		name: "endless-grace", why: "nobody looks when the grace is over",
		edits: in("internal/billing/project.go", "return plan.Entitle(s, now).Until, d.o.Apply", "return time.Time{}, d.o.Apply"),
		pkg:   "./internal/billing", run: "Grace",
	},
	{
		name: "any-subscription", why: "of two subscriptions the last one listed counts",
		edits: in("internal/billing/project.go", ` && (best.ID == "" || one.Better(best, now))`, ""),
		pkg:   "./internal/billing", run: "Permutation|Projected",
	},
	{
		name: "night-asleep", why: "events that got lost are never made good",
		edits: in("internal/store/sqlite/billing.go", "return s.q.AllCustomersDue(context.Background(), now)", "return nil"),
		pkg:   "./internal/billing", run: "AnyPermutation",
	},
	{
		name: "uncancelled", why: "who deletes his account goes on paying",
		edits: in("internal/store/sqlite/wipeuser.go", `err == nil && b.Customer != ""`, "false"),
		pkg:   "./internal/billing", run: "Wiped",
	},
	{
		name: "plan-unheeded", why: "the engine works on mailboxes beyond the plan",
		edits: in("internal/cli/billing.go", "case a.runs == nil || a.runs[box]:", "case true:"),
		pkg:   "./internal/e2e", run: "TestAPlanIsHeeded",
	},
}
