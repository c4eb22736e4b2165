// Package e2e proves what only the whole program can: its tests build the
// binary, start it as a process against a real Dovecot and the Gmail double,
// kill it, starve it and read what it left behind. Truth about the source is
// taken by internal/testkit/rawclient, which shares no code with the product;
// truth about Gmail is what the double hashed.
package e2e
