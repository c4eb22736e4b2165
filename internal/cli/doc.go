// Package cli is the command line: it reads arguments and configuration,
// builds the parts of the product out of them, runs one command and turns its
// end into an exit code and one line that names the thing and the remedy.
//
// Exit codes: 0 done; 1 ran, but something was left undone; 2 usage or
// configuration; 3 the mailbox refused the login; 4 Google refused the grant;
// 130 interrupted.
package cli
