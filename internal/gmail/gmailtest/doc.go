// Package gmailtest is a Gmail double: what this product uses of the Gmail API
// and of Google's sign-in, strict about requests, streaming, for tests, demo
// and bench. It hashes what arrives and never keeps a body.
//
//	s := gmailtest.New(gmailtest.Options{})       // an http.Handler
//	l, err := gmailtest.Start(o, "127.0.0.1:0")   // on a listener of its own
//	s.AddUser("u@example.org")
//	token := s.RefreshToken("u@example.org", gmailtest.ScopeInsert)
//	s.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.CommitThenDrop})
//	s.Hashes("u@example.org")                     // SHA-256 -> copies: the truth
//
// A message is committed when its last octet has been read, before the answer
// is written, whether or not the answer can still be delivered. That, and
// everything else assumed about the real Gmail, is listed in
// docs/gmail-double.md.
//
// The same truth is served to other processes under /_double/ (control.go).
// The package shares no code with the client it tests.
package gmailtest
