package bridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// claim opens an upload session and writes the intent that holds its URI.
// Nothing is in Gmail before the claim is durable.
func (t *transfer) claim(ctx context.Context) error {
	uri, err := t.openSession(ctx)
	if err != nil {
		return err
	}
	c := ledger.Claim{
		Key: t.key, Session: uri, Verdict: t.verdict, Domain: t.domain,
		Size: t.outcome("", "").Size, Attempts: t.job.attempts, At: time.Now(),
	}
	if err := t.at(StepClaim, func() error { return t.Ledger.Claim(ctx, c) }); err != nil {
		t.mu.Lock()
		t.unclear = t.unclear || !errors.Is(err, ledger.ErrTaken)
		t.mu.Unlock()
		return err
	}
	t.up = &resume{Claim: c, taken: true}
	t.mu.Lock()
	t.claims[c.Key] = t.up
	t.known.set(c.Key, ledger.Claimed, 0)
	t.mu.Unlock()
	t.job.resume = t.up
	return nil
}

// openSession opens an upload session. A label that the user has deleted since
// it was looked up is looked up once more.
func (t *transfer) openSession(ctx context.Context) (uri vault.Secret, err error) {
	for try := 0; ; try++ {
		ids, err := t.labelsFor(ctx)
		if err != nil {
			return uri, err
		}
		u := mail.Upload{
			LabelIDs: ids, Size: t.size, NeverSpam: t.verdict.NeverSpam,
			ReceivedTime: !t.dated || absurd(t.date, time.Now()),
		}
		err = t.patiently(ctx, t.turn, func() error {
			return t.at(StepOpen, func() (err error) {
				uri, err = t.Gmail.Open(ctx, u)
				t.asks(t.job, err)
				return err
			})
		})
		if !labelGone(err) || try > 0 {
			return uri, err
		}
	}
}

// labelGone reports a refusal that is about a label, not about the message.
func labelGone(err error) bool {
	f, ok := mail.AsFault(err)
	return ok && f.Code == "gmail_label_missing"
}

// absurd reports a Date header that would make new mail vanish in the past or
// stand on top for ever.
func absurd(d, now time.Time) bool {
	return d.Year() < 1990 || d.After(now.Add(24*time.Hour))
}

// patiently makes one Gmail request, again with exponential back-off and
// jitter while the failure is transient (Gmail's guide: about 32 s in all).
func (r *run) patiently(ctx context.Context, who turn, do func() error) error {
	for try := 0; ; try++ {
		if err := r.enter(ctx, who); err != nil {
			return err
		}
		err := r.inside(do)
		if err == nil || try >= maxTries || !retryable(err) {
			return err
		}
		if err := backOff(ctx, try); err != nil {
			return err
		}
	}
}

// backOff waits about 2^try seconds (Gmail's guide), half of it at random.
func backOff(ctx context.Context, try int) error {
	d := time.Second << min(try, 5) / 2
	return sleep(ctx, d+rand.N(d))
}

const maxTries = 4

func retryable(err error) bool {
	f, ok := mail.AsFault(err)
	return ok && (f.Class == mail.Transient || f.Class == mail.Unknown)
}

// put sends one chunk and finds out what became of it, whatever it takes. An
// Answer that is neither Done nor Gone says how much Gmail has.
func (t *transfer) put(ctx context.Context, c mail.Chunk) (mail.Answer, error) {
	last := c.Total >= 0 && c.Offset+c.Length == c.Total
	body := &watched{Reader: c.Body, left: c.Length, hook: t.hook}
	c.Body = body
	var a mail.Answer
	if err := t.enter(ctx, t.turn); err != nil {
		t.forget()
		return a, err
	}
	err := t.inside(func() error {
		return t.at(StepPut, func() (err error) {
			a, err = t.Gmail.Put(ctx, t.up.Session, c)
			return err
		})
	})
	switch {
	case body.err != nil:
		t.forget() // how much of it Gmail has kept
		return a, brokenAt(c.Offset+c.Length-body.left, body.err)
	case err == nil:
		return a, nil
	}
	if mail.ClassOf(err) == mail.Unknown {
		t.up.unsure = t.up.unsure || last && body.left == 0
		if t.unknown > 0 { // a single lost answer is asked for at once
			if err := backOff(ctx, t.unknown-1); err != nil {
				return a, err
			}
		}
		t.unknown++
		return t.ask(ctx, c.Total)
	}
	if f, ok := mail.AsFault(err); ok && f.Class == mail.RateLimited {
		// Refused, and the session may have ended with it: it is asked when
		// the time has come, by the round that takes the message up again.
		t.forget()
	}
	return a, err
}

// brokenAt tells the source's own failures from everything else.
func brokenAt(octets int64, err error) error {
	f, ok := mail.AsFault(err)
	if ok && f.Class != mail.Undelivered || errors.Is(err, io.ErrUnexpectedEOF) {
		return &cut{octets, err}
	}
	return err
}

// forget makes a later round ask the session before it sends anything.
func (t *transfer) forget() {
	t.up.taken = false
	t.up.stored = unasked
}

const unasked = -1

// ask queries the session after a request whose outcome is unknown.
func (t *transfer) ask(ctx context.Context, total int64) (mail.Answer, error) {
	a, err := t.query(ctx, t.turn, t.up, total)
	if err != nil {
		t.forget()
		if f, ok := mail.AsFault(err); ok && f.Class == mail.Refused && !refusesMessage(f) {
			err = errDoubtful
		}
	}
	return a, err
}

// watched tells when the first and the last octet of a chunk are taken, and
// keeps the source's own error apart from the transport's.
type watched struct {
	io.Reader
	left    int64
	started bool
	hook    func(Step, When) error
	err     error
}

func (w *watched) Read(p []byte) (n int, err error) {
	if !w.started {
		w.started = true
		if w.err = w.hook(StepBody, Before); w.err != nil {
			return 0, w.err
		}
	}
	if w.left == 0 {
		return 0, io.EOF
	}
	n, err = w.Reader.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	if w.left == 0 {
		if herr := w.hook(StepBody, After); herr != nil {
			w.err = herr
			return 0, herr
		}
		return n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	w.err = err
	return n, err
}

// sendWhole uploads a message that sits in memory.
func (t *transfer) sendWhole(ctx context.Context, whole []byte) error {
	total := int64(len(whole))
	off, err := t.start(ctx, total)
	for try := 0; err == nil; try++ {
		switch {
		case off < 0:
			return t.committed(ctx)
		case off > total:
			return t.doubt(ctx, "content_changed")
		case try > 2*maxTries:
			t.giveUp(t.job, "upload_incomplete")
			return nil
		}
		var a mail.Answer
		a, err = t.put(ctx, mail.Chunk{
			Offset: off, Length: total - off, Total: total, Body: bytes.NewReader(whole[off:]),
		})
		if err == nil {
			off, err = t.next(ctx, a)
		}
	}
	return t.given(ctx, err)
}

// start gives the offset to send from: the session's own, asked where it is
// not known. Negative: it is committed already.
func (t *transfer) start(ctx context.Context, total int64) (int64, error) {
	switch {
	case t.up.done:
		return -1, nil
	case t.up.stored != unasked:
		return t.up.stored, nil
	}
	a, err := t.ask(ctx, total)
	if err != nil {
		return 0, err
	}
	return t.next(ctx, a)
}

// next turns an answer into the offset to go on from; negative when there is
// nothing more to send. A session that no longer answers is replaced only if
// its outcome is known: nobody ever sent the last octet through it.
func (t *transfer) next(ctx context.Context, a mail.Answer) (int64, error) {
	switch {
	case a.Done:
		t.up.done = true
		return -1, nil
	case !a.Gone:
		t.up.stored = a.Stored
		return a.Stored, nil
	case t.up.unsure:
		return 0, errDoubtful
	}
	uri, err := t.openSession(ctx)
	if err != nil {
		return 0, err
	}
	err = t.at(StepClaim, func() error { return t.Ledger.Renew(ctx, t.key, t.up.Session, uri) })
	if err != nil {
		return 0, err
	}
	t.up.Session, t.up.stored, t.up.marks = uri, 0, nil
	return 0, nil
}

// errDoubtful: the outcome is unknown and cannot be asked any more.
var errDoubtful = errors.New("bridge: outcome unknown")

func (t *transfer) doubt(ctx context.Context, reason string) error {
	return t.settle(ctx, t.job, t.key, t.outcome(mail.Doubtful, reason))
}

// given settles a message whose outcome will never be known.
func (t *transfer) given(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errDoubtful):
		return t.doubt(ctx, "session_expired")
	case errors.Is(err, errChanged):
		return t.doubt(ctx, "content_changed")
	}
	return err
}
