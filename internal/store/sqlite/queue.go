package sqlite

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// write is one caller's part of a transaction. do may run twice: a second time
// if the transaction that it shared has failed.
type write struct {
	do   func() error
	err  error
	turn chan bool // true: lead the next batch; false: it is done
}

// queue holds the writes that wait for the next transaction. It is bounded by
// the number of callers: each waits for its write.
type queue struct {
	mu      sync.Mutex
	waiting []*write
	spare   []*write
	several bool      // the last batch was of several
	busy    bool      // somebody leads a batch
	still   sync.Cond // nobody does any more
	closed  bool
}

// write runs do in a transaction, shared with whoever else is waiting, and
// returns when that is durable. Once queued it is not given up: whether it was
// done must be known.
//
// Who finds nobody at it leads: it commits all that wait, its own write among
// them, and passes the lead to the first that came meanwhile. So there is no
// goroutine for each database, and a lone caller switches to nobody.
func (d *database) write(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &write{do: do}
	q := &d.queue
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return errGone
	}
	q.waiting = append(q.waiting, w)
	lead := !q.busy
	if lead {
		q.busy = true
	} else {
		w.turn = make(chan bool, 1)
	}
	q.mu.Unlock()
	if lead || <-w.turn {
		if !lead {
			q.gather()
		}
		d.lead(w)
	}
	return w.err
}

// pause is how long a batch may wait to grow.
const pause = 12 * time.Millisecond

// gather waits a moment where several write at once, so that a commit, whose
// price is its fsync, is shared by many. It costs an import, which takes two
// round trips to Gmail, a few milliseconds; a lone write never comes here.
// Measured with the bench: without it IMAPS costs 1.76 times the CPU of a pipe
// that keeps no books, with a pause as long as the last commit 1.56 times.
func (q *queue) gather() {
	q.mu.Lock()
	several := q.several
	q.mu.Unlock()
	if several {
		time.Sleep(pause)
	}
}

// lead commits all that wait and passes the lead on.
func (d *database) lead(own *write) {
	// Those who were just answered get the chance to bring their next write;
	// otherwise they would miss this batch, and every other one would be small.
	runtime.Gosched()
	q := &d.queue
	q.mu.Lock()
	batch := q.waiting
	q.waiting, q.spare = q.spare[:0], nil
	q.mu.Unlock()

	d.apply(batch)
	for i, w := range batch {
		if w != own {
			w.turn <- false
		}
		batch[i] = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare, q.several = batch, len(batch) > 1
	if len(q.waiting) > 0 {
		q.waiting[0].turn <- true
		return
	}
	q.busy = false
	q.still.Broadcast()
}

// close refuses further writes and waits for those that are queued.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for q.busy {
		q.still.Wait()
	}
}

// apply does a batch in one transaction. If SQLite fails, which write is to
// blame is not known, so each is then tried alone.
func (d *database) apply(batch []*write) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.observed(batch)
	if err != nil && len(batch) > 1 {
		for i, w := range batch {
			if err := d.observed(batch[i : i+1]); err != nil {
				w.err = err
			}
		}
	} else if err != nil {
		batch[0].err = err
	}
	for _, w := range batch {
		w.err = fault(d.path, w.err)
	}
}

// observed does a transaction and tells whoever observes.
func (d *database) observed(batch []*write) error {
	if d.observe == nil {
		return d.transaction(batch)
	}
	began := time.Now()
	defer func() { d.observe(time.Since(began), len(batch)) }()
	return d.transaction(batch)
}

// transaction does a batch or none of it. A write that is refused has changed
// nothing and does not disturb the others.
func (d *database) transaction(batch []*write) error {
	err := d.bind(sqlBegin).exec()
	if err != nil {
		return err
	}
	err = d.began()
	for _, w := range batch {
		if err != nil {
			break
		}
		if w.err = w.do(); w.err != nil && !refusal(w.err) {
			err = w.err
		}
	}
	if err == nil {
		err = d.bind(sqlCommit).exec()
	}
	if err != nil && !d.conn.GetAutocommit() {
		// What it says does not matter: the transaction is over either way.
		_ = d.conn.Exec("ROLLBACK")
	}
	return err
}

// alone lets a write of several statements take back what it did when it is
// refused half-way.
func (d *database) alone(do func() error) (err error) {
	point := d.conn.Savepoint()
	defer point.Release(&err)
	return do()
}
