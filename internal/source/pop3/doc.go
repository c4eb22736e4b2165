// Package pop3 reads a POP3 mailbox (RFC 1939): it lists, streams and deletes.
//
// go-pop3 carries out the plain control commands. Everything whose answer has
// several lines is read here, over the same connection, because the library
// holds whole messages in memory, cuts them at LF . LF and ends a listing
// silently at the first malformed line. Both sit on a dial.LineConn, whose
// Read gives the library one line and no octet more:
//
//	USER PASS STAT QUIT --- go-pop3 --.
//	                                   >-- dial.LineConn -- TLS -- server
//	CAPA STLS AUTH                    /
//	UIDL LIST RETR TOP DELE -- here -'
//
// A password leaves only through TLS, from the first octet or after STLS; a
// server that offers neither is refused. RETR, TOP and DELE are sent up to 16
// ahead where the server announces PIPELINING.
//
// Identity: a unique-id that is malformed, or that a listing has twice, is
// reported as "", so that the message is recognised by its content. A listing
// that contradicts itself is a Fault "bad_listing": nothing may be concluded
// from it, least of all that a message is gone.
//
// A message body ends with io.EOF only behind its end mark. An answer that
// breaks off, a limit or a cancelled context ends the Source: its methods
// then return the reason, and the caller dials anew. Deletions marked before
// that are not carried out (RFC 1939 6): only a Close that returns nil does.
//
// All errors are *mail.Fault; see fault.go for what the server's words become.
package pop3
