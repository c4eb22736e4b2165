package bridge

import (
	"slices"
	"time"
)

// begin takes a listing's jobs for the queue of this round. No claim is any
// job's yet: one whose message has other ids by now is found by its content.
func (r *run) begin(todo []*job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.claims {
		c.taken = false
	}
	r.queue, r.shelf, r.shelved = todo, nil, nil
}

// take gives the next batch: of one folder and one kind, at most so many
// messages and, from the second on, 8 MiB. It gives nothing when the queue is
// empty.
func (r *run) take(most int) []*job {
	r.mu.Lock()
	defer r.mu.Unlock()
	var n int
	var size int64
	for n < len(r.queue) && n < most && r.queue[n].goesWith(r.queue[0]) {
		size += r.queue[n].ref.Size
		if n > 0 && size > batchBytes {
			break
		}
		n++
	}
	jobs := r.queue[:n:n]
	r.queue = r.queue[n:]
	return jobs
}

func (j *job) goesWith(o *job) bool {
	return j.ref.Folder == o.ref.Folder && j.history == o.history && j.suspect == o.suspect
}

// batchMessages is a variable for tests, which want many batches of little mail.
var batchMessages = 100

const batchBytes = 8 << 20

// putBack returns jobs to the head of the queue, in order.
func (r *run) putBack(jobs ...*job) {
	if len(jobs) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range jobs {
		r.giveBack(j, -1)
	}
	r.queue = append(jobs[:len(jobs):len(jobs)], r.queue...)
}

// shelve puts history aside that its budget has no room for: new mail must not
// wait behind it, as one does at which the connection broke.
func (r *run) shelve(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shelved = why
	var rest []*job
	for _, j := range r.queue {
		if j.history {
			r.shelf = append(r.shelf, j)
		} else {
			rest = append(rest, j)
		}
	}
	r.queue = rest
}

// unshelve takes it up again.
func (r *run) unshelve() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = slices.Concat(r.queue, r.shelf)
	r.shelf, r.shelved = nil, nil
}

// onShelf gives what the budget said of the history that waits, nil if none does.
func (r *run) onShelf() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.shelf) == 0 {
		return nil
	}
	return r.shelved
}

func (r *run) historyNext() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) > 0 && r.queue[0].history
}

func (r *run) waiting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) > 0
}

// holdUntil stops the fetching until then.
func (r *run) holdUntil(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.After(r.hold) {
		r.hold = t
	}
}

func (r *run) held() (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hold, r.hold.After(time.Now())
}
