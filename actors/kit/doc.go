// Package kit corrects what protoactor-go does by default and must not do here.
//
//   - Its logger prints panic reasons and whole dead letters, which may hold a
//     secret. System gives it one that keeps the type of a message and nothing
//     of its content.
//   - Its "exponential" back-off is linear, uncapped and never gives up.
//     Backoff is capped, has full jitter and ends in Stop.
//   - A panic while stopping leaves the parent waiting for ever. House.Props
//     recovers it, and replaces the reason of any other panic by a fixed error.
//   - Stop returns before an actor's goroutines have ended. Worker is the one
//     way to run blocking work: a goroutine owned by its actor, with a run
//     number, a context and exactly one Done message; its owner waits for Done
//     before it stops.
//
// Only the package actor of the library is used: no remote, no cluster.
package kit
