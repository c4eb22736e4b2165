// Package discover finds out how a mailbox can be reached, from nothing but its
// address.
//
//	ispdb       a database of providers that ships with the product; a domain in
//	            it is answered at once, and nobody outside learns of it
//	srv         DNS service records (RFC 6186)
//	autoconfig  the provider's own file, over https only
//	mx          who takes the domain's mail, looked up in the database
//	guess       the usual names, kept only if they answer
//
// A domain that the database does not have is asked for on all other ways at
// once, within Budget. A guess is wanted only where nobody knows better.
//
// What comes back is sorted best first: IMAP before POP3, both inside TLS from
// the first octet (RFC 8314 3), then what has to be upgraded with STARTTLS. A
// way without encryption is never offered, whoever names it.
//
// Domains and what they publish belong to strangers. The address itself is told
// to nobody; files come from public addresses, port 443, at most three
// redirects, 64 KiB, as XML without DTD; a host that a domain names must be a
// proper name, on a mail port, and not in a network of ours (internal/dial).
// None of this ends a search: what cannot be used is left out.
//
// Advice says what a provider wants before it lets a mail program in: an app
// password, a switch. It goes by the mail host, so that it holds for a hosted
// domain too, and for the connection test.
//
// All errors are *mail.Fault: "address_invalid", "no_encryption",
// "provider_closed", "cancelled". Finding nothing is none.
package discover
