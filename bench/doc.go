// Command bench measures the product, beside a program that does the same on
// the wire and keeps no books, or beside the physical limit.
//
//	go run ./bench -list
//	go run ./bench -scenario throughput
//	go run ./bench -scenario all -json out.json -html out.html
//	go run ./bench -scenario latency,noisy -scale 0.1 -seconds 20   # a quick try
//	go run ./bench -file my.json
//
// A scenario is a data file (scenarios/, or one's own): fleets of mailboxes,
// the mail that arrives in them, the product's settings, the double's quotas,
// and the targets. Its kind says what is done:
//
//	compare     smtp-sync sync beside the bare pipe (the same fetch and the same two
//	            Gmail requests a message) and the one-request pipe, on a real Dovecot
//	idle        what a million registered mailboxes cost, and an empty poll
//	push        what a mailbox costs whose connection waits in IDLE
//	quota       many busy users and one project's budget
//	latency     from delivery to import, by the clock
//	neighbours  the healthy without and with noisy or hostile neighbours
//	web         API and files under load, event streams, the API beside imports
//	restart     kill -9 under load
//	drain       SIGTERM with large mail in flight
//	soak        whether anything grows
//	rules       what rules cost, wanted and hostile ones
//
// The product is the real binary in a process of its own; so are the Gmail
// double, the mail servers with the load generator, and each bare program. CPU
// and memory are the kernel's. Load is open-loop (package load), targets and
// reports are in package report, processes and truth in package world, mail
// servers in package hosts. What was lost or doubled is counted at the double,
// message by message.
//
// Everything listens on loopback. -source and -gmail name what the user brings
// along; anything but this machine is refused without -i-own-this-host.
package main
