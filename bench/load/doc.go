// Package load offers work by the clock and sums up what came of it.
//
// The generator is open-loop: the times of a Poisson process are worked out
// beforehand from a seed, and each piece of work is begun at its time whether
// or not the pieces before it have ended. What it took is counted from the
// intended time. A system that stands still for a second is thus charged for
// everything that should have happened in that second (the mistake of leaving
// it out is called coordinated omission).
//
//	for at := range load.Arrivals(50, time.Minute, seed) { ... }
//	late := load.Run(ctx, start, load.Arrivals(50, time.Minute, seed), func(i int, intended time.Time) { ... })
//
// Durations go into HDR histograms: 1 µs to 1 h with three significant digits.
package load
