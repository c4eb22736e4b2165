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
	gate   *Gate // of the user
	own    *Gate // of this pass alone; nil: none
	slots  *Gate // bounds the messages held in windows at once
	scopes map[scope]bool

	mu       sync.Mutex
	known    *index
	stale    bool                     // the ledger may say more than known does
	claims   map[ledger.Key]*resume   // claimed and not settled
	vanished map[mail.Key][]moved     // by content key: may have come back under another id
	seen     map[mail.Key]bool        // ids in the listing of this round
	outcome  map[mail.Key]mail.Status // by id key of what was listed; "": known before
	count    int                      // messages that ended in this pass
	bytes    int64
	queue    []*job // to be transferred, in order
	shelf    []*job // history that must wait for its budget,
	shelved  error  // and what the budget said; nil: nothing is shelved
	listed   bool   // a listing has been read
	past     int    // messages of the backlog that count as history
	left     usage  // to do and not ended
	failed   usage  // failed in this pass
	hold     time.Time
	inexact  bool // this source announces sizes that are not lengths

	rules rulings

	suspects map[mail.Key]int64 // messages at which the connection broke, and after how many octets
	guilty   []*job             // at the same octet again
	refusals int                // by Gmail's rate limits, in a row
	unused   [2]usage           // reserved, and not needed after all: for new mail, for history
	touched  bool               // something at the source is due, or was done, in this round
	twins    bool               // messages without id were imported, and are to be deleted
	panicked bool
	unclear  bool // a claim may have been written, and is not in claims

	removed map[mail.Key]bool // ids that left the source in this pass, says the source
	kept    map[mail.Key]bool // and those that did so, then or before, and are listed again
	undone  *mail.Fault       // why the source policy cannot be carried out

	hungry    bool          // the maildrop was left for want of memory
	base      chan struct{} // a window of this round's own, while nobody uses it
	delay     time.Duration // between logins, as the server wants it
	unchanged bool
	digest    mail.Key // of the listing of this round; zero: the source cannot say
}

// job is one message to be transferred.
type job struct {
	ref      mail.Ref
	id       mail.Key
	attempts int      // failed tries before this one
	content  mail.Key // of a message without id; else zero
	resume   *resume  // its claim, if there is one
	reserved int64    // octets of budget taken for it; negative: none
	asked    bool     // and Gmail has been asked to take it, which costs whatever comes of it
	history  bool     // not new mail
	suspect  bool     // the connection broke at it
	guilty   bool     // and again
	ended    bool
	began    time.Time // its transfer
}

// resume is what is known about a claimed upload.
type resume struct {
	ledger.Claim
	earlier bool                // claimed before this pass
	stored  int64               // octets that Gmail says it has
	marks   []ledger.Checkpoint // positions whose hash is known, ascending
	// unsure: the last octet may have been sent, by us or by an earlier
	// process, and the answer is not known.
	unsure bool
	done   bool // Gmail has said that it has the message; settling it failed
	taken  bool // some job of this round has it
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
	if p.History == nil {
		p.History = p.Budget
	}
	gate, own := p.Gate, (*Gate)(nil)
	switch {
	case gate == nil:
		gate = NewGate(p.Parallel, p.Concurrency)
	case p.Parallel > 0:
		own = NewGate(p.Parallel, 0)
	}
	r := &run{
		Pass:     p,
		gate:     gate,
		own:      own,
		slots:    NewGate(inFlight, 0),
		scopes:   make(map[scope]bool),
		claims:   make(map[ledger.Key]*resume),
		rules:    rulings{said: make(map[ledger.Key]mail.Verdict), screened: make(map[mail.Key]bool)},
		outcome:  make(map[mail.Key]mail.Status),
		suspects: make(map[mail.Key]int64),
		removed:  make(map[mail.Key]bool),
		kept:     make(map[mail.Key]bool),
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

func (r *run) report(err error) Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := Report{
		Listed: len(r.outcome), Bytes: r.bytes, Unchanged: r.unchanged, LoginDelay: r.delay,
		Left: r.left.messages + r.failed.messages, LeftBytes: r.left.bytes + r.failed.bytes,
		Undone: r.undone,
	}
	if r.undone == nil && len(r.kept) > 0 {
		rep.Undone = ignored(len(r.kept))
	}
	if !r.listed && !r.unchanged {
		rep.Left, rep.LeftBytes = r.Pass.Left, r.Pass.LeftBytes // nothing was learnt
	}
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
	if err == nil && rep.Failed == 0 && len(r.claims) == 0 && !r.touched {
		rep.Digest = r.digest
	}
	return rep
}

// tell says what happened, and how much is left to do.
func (r *run) tell(e Event) {
	if r.Progress == nil {
		return
	}
	r.mu.Lock()
	e.ToDo, e.ToDoBytes = r.left.messages, r.left.bytes
	r.mu.Unlock()
	r.Progress(e)
}

// end notes what became of a message: in the index, in the report, and to
// whoever watches.
func (r *run) end(j *job, k ledger.Key, o ledger.Outcome) {
	r.mu.Lock()
	r.known.set(k, ledger.StateOf(o.Status), ledger.DayOf(time.Now()))
	delete(r.rules.said, k)
	r.outcome[j.id] = o.Status
	used := int64(-1)
	if o.Status == mail.Imported {
		r.bytes += o.Size
		used = o.Size
	}
	r.done(j, used)
	r.mu.Unlock()
	e := Event{Ref: j.ref, Status: o.Status, Reason: o.Reason, Domain: o.Domain, Size: o.Size}
	e.Recovered = j.resume != nil && j.resume.earlier || j.ref == (mail.Ref{})
	if !j.began.IsZero() {
		e.Took = time.Since(j.began)
	}
	r.tell(e)
}

// done counts a message that has ended, and what it did not use of its budget.
// It may be called again for the same one. r.mu is held.
func (r *run) done(j *job, used int64) {
	r.count++
	r.giveBack(j, used)
	if j.ended || j.ref == (mail.Ref{}) { // not of the listing: a claim of before
		return
	}
	j.ended = true
	r.left.add(-1, -announced(j))
	if r.outcome[j.id] == mail.Failed {
		r.failed.add(1, announced(j))
	}
	if j.history {
		r.past--
	}
}
