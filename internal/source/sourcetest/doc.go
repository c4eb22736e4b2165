// Package sourcetest is what every mail source must prove.
//
// An adapter's test starts a server, says in a Harness how to put messages
// into a mailbox and how to open a session on it, and calls Run:
//
//	func TestConformance(t *testing.T) { // not parallel: Run counts goroutines
//		sourcetest.Run(t, sourcetest.Harness{
//			DeletesAtClose: true,
//			Form:           sourcetest.POP3Form,
//			Serve: func(t *testing.T, messages [][]byte) sourcetest.Mailbox {
//				srv := pop3d.Start(t, …)
//				return sourcetest.Mailbox{Addr: srv.Addr, Password: "…", Dial: …}
//			},
//		})
//	}
//
// The same cases run against servers in this process, against a real Dovecot,
// and against Memory, the twin that tests of other packages use. For the
// cases about failing networks the suite puts a proxy of its own in front of
// the server, which works beneath TLS as well.
//
// Each case is a rule with the sentence that explains it; the sentence is
// printed when the case fails.
package sourcetest
