package bridge

import (
	"context"
	"hash"
	"io"
	"iter"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Source is one logged-in session with one mailbox. It is used by one
// goroutine at a time. All its errors are *mail.Fault.
type Source interface {
	// List yields every message present now, oldest first, over all folders;
	// those flagged \Deleted only where Delete could finish what it had begun.
	// asked for. If it ends without an error the listing was complete.
	List(ctx context.Context) iter.Seq2[mail.Ref, error]
	// Header fetches the header section and no body octets.
	Header(ctx context.Context, ref mail.Ref) (*mail.Header, error)
	// Fetch streams the messages of refs, in order, from one pipelined batch;
	// refs of one call are of one folder. Each Body is read to its end or
	// abandoned before the next is taken (the Source discards what is left).
	// A pair with a non-nil Incoming and an error means: this one message
	// cannot be had (mail.Undelivered), go on. A nil Incoming with an error
	// ends the iteration and the Source.
	Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error]
	// Delete removes the messages for good: POP3 DELE, effective when Close
	// returns nil; IMAP \Deleted and UID EXPUNGE of exactly these UIDs.
	// It is never called during a Fetch.
	Delete(ctx context.Context, refs []mail.Ref) error
	// MarkSeen sets \Seen. IMAP only.
	MarkSeen(ctx context.Context, refs []mail.Ref) error
	// Move puts the messages into another folder of the mailbox, which is made if
	// there is none. IMAP only. It is never called during a Fetch.
	Move(ctx context.Context, refs []mail.Ref, folder string) error
	// Close ends the session politely (POP3 QUIT, which carries out the
	// deletions and whose error means that they were not) and frees the
	// connection in any case.
	Close(ctx context.Context) error
}

// Digester is a Source that can tell whether anything has changed.
type Digester interface {
	// Digest writes what stands for the complete listing as it is now: other
	// octets whenever List would show another message, or one under another id.
	// It is asked before List, which may be newer. ok is false when the source
	// cannot say; what has been written is of no use then.
	Digest(ctx context.Context, w io.Writer) (ok bool, err error)
}

// Delayer is a Source whose server asks for a pause between logins.
type Delayer interface {
	LoginDelay() time.Duration // 0: none
}

// Dialer opens a Source: resolves, connects, secures, logs in.
type Dialer interface {
	Dial(ctx context.Context) (Source, error)
}

// Importer speaks to the Gmail API for one user. All its errors are
// *mail.Fault. It may be used by many goroutines at once and never retries by
// itself, except once after refreshing an expired access token.
type Importer interface {
	// Open starts an upload session and gives its URI. Nothing is imported by it.
	Open(ctx context.Context, u mail.Upload) (vault.Secret, error)
	// Put sends one chunk. A Fault of class Unknown means that the answer was
	// lost and the session must be asked; any other class means that this
	// request committed nothing.
	Put(ctx context.Context, session vault.Secret, c mail.Chunk) (mail.Answer, error)
	// Query asks what became of the session. total is -1 when unknown.
	Query(ctx context.Context, session vault.Secret, total int64) (mail.Answer, error)
	// Label gives the id of the label with this name, found or created. It is
	// asked for each message: it remembers, until a refusal of Open tells that a
	// label is gone.
	Label(ctx context.Context, name string) (string, error)
}

// Ledger is the durable memory of one mailbox, bound to the epoch under which
// its store was taken. Methods may block for a group commit; every write is
// one transaction, durable when it returns nil. ledger.ErrFenced from any of
// them means: stop. It may be used by many goroutines at once.
type Ledger interface {
	// Entries gives everything known about the mailbox.
	Entries(ctx context.Context) ([]ledger.Entry, error)
	// Claims gives the entries in state Claimed, for recovery.
	Claims(ctx context.Context) ([]ledger.Claim, error)
	// Claim inserts the intent, if the pair is unknown or Failed; else ErrTaken.
	// A Failed entry of the same id whose content is zero is replaced.
	Claim(ctx context.Context, c ledger.Claim) error
	// Renew swaps the session of a claimed entry from old to next, else ErrTaken.
	Renew(ctx context.Context, k ledger.Key, old, next vault.Secret) error
	// Checkpoint saves a position of a claimed entry.
	Checkpoint(ctx context.Context, k ledger.Key, cp ledger.Checkpoint) error
	// Settle ends a claimed entry with its audit line; it drops session,
	// verdict, domain and checkpoint. ErrTaken if the entry is not claimed.
	// Status Failed drops the claim and counts an attempt.
	Settle(ctx context.Context, k ledger.Key, o ledger.Outcome) error
	// Record writes an outcome without a claim (skipped, refused, failed) with
	// its audit line, if the pair is unknown or Failed; else ErrTaken. Failed
	// counts an attempt.
	Record(ctx context.Context, k ledger.Key, o ledger.Outcome) error
	// Listed notes what a complete listing showed: these entries are absent
	// now, those are back. Called only when something changed.
	Listed(ctx context.Context, absent, present []ledger.Key) error
	// Remap gives settled entries the ids they have now.
	Remap(ctx context.Context, moves []ledger.Move) error
}

// Keys makes the keyed hashes of one mailbox. An id key begins with four
// octets that are the same for all messages of a folder, and two more that are
// the same for all of one UIDVALIDITY: so a pass over some folders leaves what
// is known about the others alone, and a renumbered folder is seen to be one.
type Keys interface {
	ID(ref mail.Ref) mail.Key                    // ref.HasID
	Content(h *mail.Header) mail.Key             // Message-ID, Date, From, first Received, Subject
	Occurrence(content mail.Key, n int) mail.Key // id key of a message without id: the n-th with this content, from 0
	Stream() hash.Hash                           // running keyed hash of the octets sent; supports hash.Cloner
}

// Budget is the allowance of one user against Gmail's quotas.
type Budget interface {
	// Reserve takes the units and octets for up to n messages of about bytes
	// octets in all. It never waits: it grants as many as there are allowance
	// for now (1 ≤ granted ≤ n, in order, sizes gives each one's octets), or
	// fails with a RateLimited Fault whose Until says when to ask again.
	Reserve(ctx context.Context, sizes []int64) (granted int, err error)
	// Refund gives back what was reserved and not used.
	Refund(ctx context.Context, messages int, bytes int64)
	// Throttled tells the budget of a refusal, so that it learns.
	Throttled(f *mail.Fault)
}

// Filter decides by the header alone and by what the listing said of the
// message. It may be used by many goroutines at once.
type Filter interface {
	// Decide is asked once for each message, before its claim, and answers within
	// milliseconds. It keeps nothing of h. It fails open: an error means that
	// nothing was decided, and the message is imported.
	Decide(ctx context.Context, h *mail.Header, ref mail.Ref) (mail.Verdict, error)
	// MaySkip reports whether a verdict may be to skip. Then the header of a
	// message larger than the window is fetched first, and the rest only if it is
	// wanted.
	MaySkip() bool
}

// Limits of a pass.
const (
	window       = 256 << 10        // a mail that fits sits in memory whole while it is uploaded
	chunkAlign   = 256 << 10        // Gmail: chunks but the last are multiples of this
	sealEvery    = 8 << 20          // a checkpoint is sealed this often
	maxMessage   = 157_286_400      // octets Gmail takes (discovery document, maxSize)
	maxSession   = 2 * time.Minute  // a POP3 session holds the maildrop's lock no longer,
	maxListing   = 10 * time.Minute // so often a long import of history looks for new mail
	linger       = 30 * time.Second // but may wait so long for what is on its way,
	maxDeletes   = 100              // nor does it risk more deletions than this
	maxAttempts  = 3                // then a message that fails is set aside
	maxShortWait = 90 * time.Second // a pass waits this long for budget, not longer
	maxRefusals  = 6                // by Gmail's rate limits in a row: a minute in all
	closeTimeout = 10 * time.Second
)
