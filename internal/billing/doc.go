// Package billing sells plans over Stripe: Checkout to subscribe, the Customer
// Portal for everything after that, and webhooks to hear of it.
//
//	event  --signature, once-->  the customer is due  --job-->  fetch, project, keep, apply
//
// What an event says is never believed, only that something has happened: the
// customer's subscriptions are fetched and projected (project), so that events
// may come late, twice, in any order or not at all. Once a day every customer is
// due, which finds what got lost. A customer is fetched by one job at a time, so
// that no older answer takes the place of a newer one.
//
// What is known of a customer is his id, sealed in his own database, and the
// projection; the way back from an event is a keyed hash. When a user is wiped,
// an errand holds the id until Stripe has cancelled and forgotten him. Invoices
// are Stripe's to keep, as the law wants it.
//
// Without a key there is no Desk: no routes, no jobs, and everything is allowed.
package billing
