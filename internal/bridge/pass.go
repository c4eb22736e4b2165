package bridge

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Disposal is what happens at the source once a message is in Gmail.
type Disposal string

// The source policies.
const (
	Leave  Disposal = "leave"
	Delete Disposal = "delete"
	Seen   Disposal = "seen"
	Move   Disposal = "move"
)

// Pass is one sync of one mailbox: the required ports, and options whose zero
// value works.
type Pass struct {
	Dialer Dialer
	Gmail  Importer
	Ledger Ledger
	Keys   Keys
	Budget Budget
	Filter Filter // nil: everything is imported

	Folders     []string  // the IMAP folders listed; nil on POP3
	AfterImport Disposal  // zero: Leave
	KeepDays    int       // Delete: so many whole days after the import; zero: at once
	MoveTo      string    // Move: the folder; what is there already stays
	Labels      []string  // names of labels that all mail gets
	Archive     bool      // not into the inbox
	Since       time.Time // messages older than this are not looked at; zero: all
	// Arrivals are where what is in a folder goes; without one: as all mail.
	Arrivals map[string]Arrival

	// Accepted: its owner wants what is there imported, although much of what was
	// there is gone (mass_change).
	Accepted bool

	// Digest is Report.Digest of the last pass; zero: none. While the source
	// still shows that listing, a pass ends after one look at it.
	Digest mail.Key
	// Stamp is what else must be as it was for Digest to hold. Folders,
	// AfterImport and Since are looked after; the caller adds what says which
	// mailbox this is (host, user name).
	Stamp []byte

	// Left is Report.Left of the last pass. What is listed beyond so many
	// messages to do has come since: it is new mail and goes before the rest,
	// which is history. 0: all is new, or all is history where the ledger knows
	// no message yet.
	Left      int
	LeftBytes int64  // Report.LeftBytes of the last pass
	Newest    bool   // history newest first; zero: oldest first
	History   Budget // the allowance for history; nil: Budget

	Connections int   // to the source: 1 (POP3) or 2 (IMAP); zero: 1
	Gate        *Gate // bounds the Gmail requests in flight of all passes that share it; nil: one of its own
	Parallel    int   // Gmail requests in flight of this pass alone; zero: what the gate allows
	Concurrency int   // ceiling of a gate of its own; zero: 8
	// Memory bounds the octets held in windows, across passes that share it.
	Memory *Memory // nil: not bounded
	// Progress is told of every message as it ends and of each listing. It is
	// called from several goroutines and must not block.
	Progress func(Event)
	Hook     Hook // tests only
}

// Arrival is where the mail of one folder goes in Gmail.
type Arrival struct {
	Label   string // name of one that it gets beside those of all mail; "": none
	Archive bool   // not into the inbox
	Spam    bool   // into spam, where it was at the source; a rule may say otherwise
}

// Event is something a person watching may want to see: a listing has been
// read (Status and Wait zero), a message ended, or the pass pauses.
type Event struct {
	Listed    int   // messages in the listing
	ToDo      int   // of these, still to be moved
	ToDoBytes int64 // their octets, as announced
	Ref       mail.Ref
	Status    mail.Status
	Reason    string
	Domain    string
	Size      int64
	Took      time.Duration // of its transfer; zero: it had none
	Recovered bool          // it was claimed before this pass
	Wait      time.Time
}

// Report counts what became of the messages listed. Listed is the sum of the
// next six.
type Report struct {
	Listed, Imported, Already, Skipped, Refused, Doubtful, Failed int

	Bytes int64 // octets imported by this pass

	// Unchanged: the listing was that of Pass.Digest, and nothing was counted.
	Unchanged bool
	// Digest takes the place of Pass.Digest, whatever this is: zero, there is none.
	Digest mail.Key
	// Left is the backlog: messages listed, wanted and not ended. Where no
	// listing was read it is still that of the last pass.
	Left       int
	LeftBytes  int64         // its octets, as announced
	LoginDelay time.Duration // what the server asks for between logins; zero: nothing
	// Undone says why the source policy was not carried out although the pass
	// went through, and what to do; nil: it was, as far as one can see.
	Undone *mail.Fault
}

// Sync runs one pass. The Report is right in every case; an error says why
// messages were left for a later pass: a *mail.Fault, ledger.ErrFenced or the
// cause of ctx.
func Sync(ctx context.Context, p Pass) (Report, error) {
	r := newRun(p)
	err := r.sync(ctx)
	return r.report(err), err
}

// again asks for another round: another session with the source.
type again struct{ until time.Time }

func (again) Error() string { return "bridge: another round" }

// sync runs rounds, each one session with the source, until nothing is left.
// Claims come first, whatever the source shows: what was claimed may be gone
// from there, and the listing be as before.
func (r *run) sync(ctx context.Context) error {
	claims, err := r.unsettled(ctx)
	if err != nil {
		return err
	}
	if len(claims) > 0 || r.Pass.Digest == (mail.Key{}) {
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	if err := r.recover(ctx, claims); err != nil {
		return err
	}
	var broke error // of the last round that is followed by another
	for failures := 0; ; {
		before := r.ended()
		if err := r.lookAgain(ctx); err != nil {
			return err
		}
		err := r.round(ctx)
		if e := r.blame(ctx); e != nil {
			return e
		}
		var more again
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &more):
		case !r.worthAnother(err, r.ended() > before, failures):
			if broke != nil && locked(err) {
				return broke // the lock is that of the session we have just lost
			}
			return err
		default:
			broke = err
			more.until = time.Now().Add(500 * time.Millisecond << min(failures, 3))
			failures++
		}
		if time.Until(more.until) > maxShortWait {
			return err
		}
		if err := r.pause(ctx, more.until); err != nil {
			return err
		}
	}
}

// blame counts a failed try of the messages at which the connection breaks.
// Where it breaks at several and nothing comes through, the server is to blame:
// the pass fails and says why, and no message is set aside for an outage.
func (r *run) blame(ctx context.Context) error {
	r.mu.Lock()
	guilty := r.guilty
	if r.bytes == 0 && len(r.suspects) > 1 {
		guilty = nil
	}
	r.guilty = nil
	r.mu.Unlock()
	for _, j := range guilty {
		err := r.undelivered(ctx, j, &mail.Fault{Class: mail.Undelivered, Code: "source_breaks_off"})
		if err != nil {
			return err
		}
	}
	return nil
}

// maxFailures rounds may fail in a pass while it is getting somewhere.
const maxFailures = 6

// worthAnother decides whether a failed round is followed by another at once:
// when a connection broke that was getting somewhere, and once when the
// listing made no sense. Everything else is for the next pass.
func (r *run) worthAnother(err error, progress bool, failures int) bool {
	f, ok := mail.AsFault(err)
	if !ok {
		return progress && failures < maxFailures && errors.Is(err, io.ErrUnexpectedEOF)
	}
	if failures >= maxFailures {
		return false
	}
	return progress && (f.Class == mail.Transient || f.Class == mail.Protocol) ||
		(f.Code == "bad_listing" || f.Code == "uidvalidity_changed") && failures == 0
}

// locked reports a maildrop that another session has open.
func locked(err error) bool {
	f, ok := mail.AsFault(err)
	return ok && (f.Code == "mailbox_locked" || f.Code == "in_use")
}

func (r *run) pause(ctx context.Context, until time.Time) error {
	d := time.Until(until)
	if d <= 0 {
		return nil
	}
	r.tell(Event{Wait: until})
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
