package bridge

import (
	"context"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// run is the state of one pass.
type run struct {
	Pass
	gate   *gate
	slots  chan struct{} // messages held in windows at once
	scopes map[scope]bool

	mu       sync.Mutex
	known    *index
	claims   map[ledger.Key]*resume   // claimed and not settled
	vanished map[mail.Key][]moved     // by content key: may have come back under another id
	seen     map[mail.Key]bool        // ids in the listing of this round
	outcome  map[mail.Key]mail.Status // by id key of what was listed; "": known before
	count    int                      // messages that ended in this pass
	bytes    int64
	queue    []*job // to be transferred, oldest first
	hold     time.Time
	labelIDs []string
	labelled bool
	inexact  bool // this source announces sizes that are not lengths

	suspects map[mail.Key]int64 // messages at which the connection broke, and after how many octets
	guilty   []*job             // at the same octet again
	refusals int                // by Gmail's rate limits, in a row
	unused   usage              // reserved, and not needed after all
	twins    bool               // messages without id were imported, and are to be deleted
	panicked bool
}

// job is one message to be transferred.
type job struct {
	ref      mail.Ref
	id       mail.Key
	attempts int      // failed tries before this one
	content  mail.Key // of a message without id; else zero
	resume   *resume  // its claim, if there is one
	reserved int64    // octets of budget taken for it; negative: none
	guilty   bool     // the connection breaks at it
}

// usage is an amount of budget.
type usage struct {
	messages int
	bytes    int64
}

// resume is what is known about a claimed upload.
type resume struct {
	ledger.Claim
	stored int64               // octets that Gmail says it has
	marks  []ledger.Checkpoint // positions whose hash is known, ascending
	// unsure: the last octet may have been sent, by us or by an earlier
	// process, and the answer is not known.
	unsure bool
	taken  bool // some job of this pass has it
	tries  int  // readings of the source for it in this pass
}

// inFlight bounds the messages held in windows while claims and settles wait
// for their group commit; more than that gains nothing.
const inFlight = 256

func newRun(p Pass) *run {
	if p.AfterImport == "" {
		p.AfterImport = Leave
	}
	p.Connections = max(1, p.Connections)
	if p.Concurrency == 0 {
		p.Concurrency = 8
	}
	r := &run{
		Pass:     p,
		gate:     newGate(p.Parallel, p.Concurrency),
		slots:    make(chan struct{}, inFlight),
		scopes:   make(map[scope]bool),
		claims:   make(map[ledger.Key]*resume),
		outcome:  make(map[mail.Key]mail.Status),
		suspects: make(map[mail.Key]int64),
	}
	if len(p.Folders) == 0 {
		r.scopes[scopeOf(p.Keys.ID(mail.Ref{UIDL: "x"}))] = true
	}
	for _, f := range p.Folders {
		r.scopes[scopeOf(p.Keys.ID(mail.Ref{Folder: f, Validity: 1, UID: 1}))] = true
	}
	return r
}

// read loads what the ledger knows.
func (r *run) read(ctx context.Context) error {
	return r.at(StepRead, func() error {
		entries, err := r.Ledger.Entries(ctx)
		if err != nil {
			return err
		}
		r.known = newIndex(entries)
		return nil
	})
}

// ended counts the messages that ended so far.
func (r *run) ended() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func (r *run) report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := Report{Listed: len(r.outcome), Bytes: r.bytes}
	for _, s := range r.outcome {
		switch s {
		case mail.Imported:
			rep.Imported++
		case mail.Skipped:
			rep.Skipped++
		case mail.Rejected:
			rep.Refused++
		case mail.Doubtful:
			rep.Doubtful++
		case mail.Failed, pending:
			rep.Failed++
		default:
			rep.Already++
		}
	}
	return rep
}

func (r *run) tell(e Event) {
	if r.Progress != nil {
		r.Progress(e)
	}
}

// end notes what became of a message: in the index, in the report, and to
// whoever watches.
func (r *run) end(j *job, k ledger.Key, o ledger.Outcome) {
	r.mu.Lock()
	r.known.set(k, ledger.StateOf(o.Status))
	r.outcome[j.id] = o.Status
	r.count++
	used := int64(-1)
	if o.Status == mail.Imported {
		r.bytes += o.Size
		used = o.Size
	}
	r.giveBack(j, used)
	r.mu.Unlock()
	r.tell(Event{Ref: j.ref, Status: o.Status, Reason: o.Reason, Domain: o.Domain, Size: o.Size})
}

// giveBack notes what a job did not use of its reserve; used is negative where
// nothing was imported. r.mu is held.
func (r *run) giveBack(j *job, used int64) {
	if j.reserved < 0 {
		return
	}
	if used < 0 {
		r.unused.messages++
		used = 0
	}
	r.unused.bytes += max(0, j.reserved-used)
	j.reserved = -1
}

// refund gives the budget back what was not used, and reports whether that was
// anything. It is durable, so it is done once a batch.
func (r *run) refund(ctx context.Context) bool {
	r.mu.Lock()
	u := r.unused
	r.unused = usage{}
	r.mu.Unlock()
	if u == (usage{}) {
		return false
	}
	r.Budget.Refund(context.WithoutCancel(ctx), u.messages, u.bytes)
	return true
}

// take gives the next batch: of one folder, at most 100 messages and, from the
// second on, 8 MiB. It gives nothing when the queue is empty.
func (r *run) take() []*job {
	r.mu.Lock()
	defer r.mu.Unlock()
	var n int
	var size int64
	for n < len(r.queue) && n < batchMessages && r.queue[n].ref.Folder == r.queue[0].ref.Folder {
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
