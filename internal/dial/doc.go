// Package dial is the only way out to a mail host.
//
// A user names the host, so a user may point us anywhere: at our own network,
// at a cloud's metadata service, at a server written to harm us. Two things
// stand in between, and every source uses both:
//
//	Dialer   resolves, connects, secures. The address is judged at connect
//	         time, on the final IP of every attempt, so neither a name that
//	         changes its answer nor a second address slips past. TLS is always
//	         verified.
//	Conn     the guard beneath go-imap: line, nesting, literal and total
//	         limits, and time. One hostile BODYSTRUCTURE would otherwise end
//	         the process with a stack overflow that Go cannot recover.
//	LineConn the same for POP3: one line a Read, nothing but one line a Write.
//
// Where many host names lead to one server, the Dialer's Pace limits what that
// server sees of us: connections a second and at a time, by final address. A
// dial waits a little for its turn and then fails with "host_busy".
//
// Time is counted as waiting: what the server makes us wait, not what Gmail
// makes the reader pause between two Reads.
//
// Every failure is a *mail.Fault: "host_invalid", "dns", "port_forbidden",
// "address_forbidden", "unreachable", "timeout_connect", "tls_certificate",
// "tls_handshake", "timeout_greeting", "timeout", "too_slow", "cut",
// "protocol_limit", "protocol_error", "control_character", "cancelled". None
// of them repeats what a server sent, so the product is no oracle for what
// listens where.
package dial
