// Package gmail moves one message into Gmail through users.messages.import and
// finds labels by name. It is the protocol and nothing more: every method makes
// one request (one more after refreshing an expired access token); what to do
// about a lost answer is decided by its caller.
//
// A message travels through a resumable upload session, because a session can
// be asked later, by another process too, whether the message arrived:
//
//	Open   POST …/messages/import?uploadType=resumable  -> session URI; imports nothing
//	Put    PUT  session, Content-Range a-b/total        -> 200: in Gmail; 308: octets stored so far
//	Query  PUT  session, Content-Range */total          -> the same answers, without octets
//
// Why not the generated client for this: it buffers 16 MiB an import whatever
// the size, resends chunks without asking, and cannot go on with a session that
// another process opened. It is used where it is good: for labels.
//
// What a failure means is in its mail.Class. Put and Query give mail.Unknown
// whenever the request may have been carried out although no clear answer came;
// any other class from Put means that this request committed nothing. A message
// that ends early aborts its request before the last octet, so a torn message
// is never imported.
//
// A session URI is a bearer capability: it is a vault.Secret here, is sent only
// to the API's host or Google's own, and is cut out of every error. Redirects
// are not followed, so that neither it nor the access token travels elsewhere.
package gmail
