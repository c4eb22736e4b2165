// Package risc receives Google's Cross-Account Protection: signed events that
// tell of an account what its owner, or Google, has done to it.
//
//	POST /webhooks/google/risc --> Receive --> Inbox.Take, once per jti --> 202
//	                                  |                 |
//	                                  |                 +-- later: React(event)
//	                                  +-- anything wrong --> 400, RFC 8935 2.4
//	                                  +-- Google's keys or our inbox out of reach --> 503
//
// A security event token (RFC 8417) is believed if it is signed RS256 with a key
// that the issuer publishes, comes from exactly this issuer, is for our client,
// is not from the future, and not older than MaxAge. Such tokens carry no
// expiry; MaxAge is what lets an Inbox forget a jti.
//
// The issuer's keys are found through its configuration document and read again
// every hour, or when a token names a key that is not among them, but at most
// once a minute: nobody can make us pester Google.
//
// Deliveries come twice, late, and sometimes never. What an event asks for can
// be done twice without harm; an event older than the grant it speaks of is
// told by Event.Before; and a refresh that ends in invalid_grant says the same
// as an event that was lost.
package risc
