// Package session holds what proves who is calling, and what protects calls
// from being repeated: web sessions, API tokens, things that may be used once,
// and idempotency keys. It is rules and values; a store keeps them (sessiontest
// proves it), and Memory is its twin for tests.
//
// A web session is 32 random octets in a cookie. Of these only a keyed hash is
// stored, so that who reads the store cannot use what is in it; a session is
// found by the hash, which takes no longer for a near miss than for any other.
//
//	sign-in, new grant   BeginSession: a new cookie; the one the browser brought ends with it
//	request              FindSession: whose it is; last seen is noted once in ten minutes
//	30 days unused, or
//	90 days after Begin  it is as if it had never been
//
// Where somebody signed in from is not kept, nor what their browser says of
// itself: only a name out of a small set (ClientName), sealed under the user's
// key. The CSRF token is made of the cookie each time and never stored.
//
// An API token is "smtps_", 32 random octets and a checksum in base62: shown
// once, then known by its keyed hash. What it may do is a closed set (Scopes).
//
// A repeated request (draft-ietf-httpapi-idempotency-key-header) is known
// by its key within its user: the same request gets the answer of the first,
// another one is refused. Bodies are not kept.
package session
