package world

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// Arrival is one message at the double.
type Arrival struct {
	Email string
	gmailtest.Stored
}

// Fate is what became of a delivery.
type Fate struct {
	hosts.Delivery
	At     time.Time // when Gmail had it; zero: never
	Copies int
}

// Took is from the intended time of its delivery to its import.
func (f Fate) Took() time.Duration { return f.At.Sub(f.Intended) }

// Truth is delivered and imported, one by one.
type Truth struct {
	Fates   []Fate
	Lost    int // delivered and not imported
	Doubled int // copies too many
	Strange int // imported, and never delivered like that: altered, or another's
}

// Compare asks what became of each delivery. Every message has octets of its
// own, so its hash is its name.
func Compare(delivered []hosts.Delivery, arrived []Arrival) Truth {
	t := Truth{Fates: make([]Fate, len(delivered))}
	index := make(map[string]int, len(delivered))
	for i, d := range delivered {
		t.Fates[i] = Fate{Delivery: d}
		index[d.SHA256] = i
	}
	for _, a := range arrived {
		i, known := index[a.SHA256]
		if !known {
			t.Strange++
			continue
		}
		f := &t.Fates[i]
		if f.Copies++; f.Copies > 1 {
			t.Doubled++
		} else {
			f.At = a.At
		}
	}
	for _, f := range t.Fates {
		if f.Copies == 0 {
			t.Lost++
		}
	}
	return t
}

// Arrived asks the double what everybody has got.
func (w *World) Arrived(ctx context.Context) (all []Arrival, err error) {
	var mu sync.Mutex
	err = parallel(len(w.People), func(i int) error {
		stored, err := w.Double.Messages(ctx, w.People[i].Email)
		mu.Lock()
		defer mu.Unlock()
		for _, m := range stored {
			all = append(all, Arrival{w.People[i].Email, m})
		}
		return err
	})
	return all, err
}

// Truth compares what the servers delivered with what the double has.
func (w *World) Truth(ctx context.Context) (Truth, error) {
	delivered, err := w.Hosts.Deliveries(ctx)
	if err != nil {
		return Truth{}, err
	}
	arrived, err := w.Arrived(ctx)
	if err != nil {
		return Truth{}, err
	}
	return Compare(delivered, arrived), nil
}

// Settle waits until the double has as many messages as were delivered, or
// until nothing has arrived for so long. What is missing then is lost, and
// Truth says so.
func (w *World) Settle(ctx context.Context, quiet time.Duration) error {
	last, since := -1, time.Now()
	for {
		state, err := w.Hosts.State(ctx)
		if err != nil {
			return err
		}
		stats, err := w.Double.Stats(ctx)
		if err != nil {
			return err
		}
		if !state.Running && stats.Committed >= state.Delivered {
			return nil
		}
		if stats.Committed != last || state.Running {
			last, since = stats.Committed, time.Now()
		}
		if time.Since(since) > quiet {
			fmt.Fprintf(os.Stderr, "bench: %d of %d messages have arrived, and no more for %s\n", stats.Committed, state.Delivered, quiet)
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
