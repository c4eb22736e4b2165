// Command bench measures the product beside the bare pipe: a program that
// does the same fetch and the same two Gmail requests a message, over equal
// source connections and with equal uploads in flight, and keeps no books at
// all. The one-request pipe beside it shows the price of a session a message.
//
//	go run ./bench -list
//	go run ./bench -scenario throughput
//	go run ./bench -scenario large -rounds 5 -json out.json
//
// The mail comes from a real Dovecot, the Gmail double runs in a process of
// its own, and each measured program is a process of its own too, so that its
// CPU time and peak memory are its own: figures are those of the kernel
// (rusage). Rounds are interleaved; the table has medians. Everything listens
// on loopback, and nothing else is ever a target.
package main
