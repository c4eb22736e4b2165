// Package probe is the connection test of a mailbox: it tries what a sync would
// do, one step at a time, and says of the first that fails why, and what helps.
//
//	dns -> connect -> tls -> greeting -> capability -> login -> list
//
// Steps stand in the order of the wire: with STARTTLS the server greets, and
// with POP3 tells what it can do, before TLS. The steps behind a failure are
// absent. It is the sources' own code that connects and logs in, through
// internal/dial, so what the test says holds for the sync as well.
//
// Whoever may test connections could look for open ports, or guess passwords.
// Against the first, all failures before the login have one of four codes
//
//	unreachable         no such name, an address that is not allowed, no
//	                    connection, or a server that takes none for now
//	timeout             it did not answer in time
//	tls                 no TLS, or none that proves the name
//	not_a_mail_server   it does not speak the protocol, or hangs up
//
// a text of our own without a word of the server, and a time: no such failure is
// told before Floor and some jitter have passed, and its duration is not
// that of the network. A name that does not exist and one that leads into a
// forbidden network look the same. Against the second, a Limiter counts the
// logins that failed, and nothing else; logins under way count as failed until
// they are over, so many at once are no way around it. A mailbox that is kept is
// tried by the engine: its wrong passwords count too, and after too many of them
// no other is kept for a while (Admit, Failed).
//
// From the login on the codes are those of the sources ("auth_failed", ...). The
// help is the provider's own where internal/discover has it. No text ever has
// the password in it, not even one that the server sent.
//
// A wrong input and a limit are errors, *mail.Fault: "protocol_invalid",
// "host_invalid", "port_forbidden", ..., "too_many_guesses", "busy". Failures of
// the connection are not errors but Steps.
package probe
