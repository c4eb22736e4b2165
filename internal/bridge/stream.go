package bridge

import (
	"bytes"
	"context"
	"errors"
	"hash"
	"io"
	"slices"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// sendStream uploads a message larger than the window: head is what has been
// read of it, rest what has not. The octets go from the source's reader into
// the request; what passes is hashed, so that an upload that must be resumed
// is resumed only with the same octets.
func (t *transfer) sendStream(ctx context.Context, head []byte, rest io.Reader) error {
	m := t.stream(ctx, io.MultiReader(bytes.NewReader(head), rest))
	err := t.sendHashed(ctx, m)
	return t.given(ctx, errors.Join(err, m.wait()))
}

func (t *transfer) sendHashed(ctx context.Context, m *hashed) error {
	off, err := t.start(ctx, t.size)
	switch {
	case err != nil:
		return err
	case off < 0:
		return t.committed(ctx)
	}
	if _, err := io.CopyN(io.Discard, m, off); err == io.EOF {
		return t.doubt(ctx, "content_changed") // Gmail has more than the message is long
	} else if err != nil {
		return brokenAt(m.n, err)
	}
	if t.size >= 0 {
		return t.sendKnown(ctx, m)
	}
	return t.sendUnknown(ctx, m)
}

// sendKnown sends the rest of a message of known size in one request.
func (t *transfer) sendKnown(ctx context.Context, m *hashed) error {
	a, err := t.put(ctx, mail.Chunk{Offset: m.n, Length: t.size - m.n, Total: t.size, Body: m})
	if err != nil {
		return err
	}
	return t.doneOrAgain(ctx, a)
}

// sendUnknown sends a message whose end is not known beforehand (POP3). The
// announced size is a hint: as many whole chunks as it promises go in one
// streamed request, the end in windows. A server that announced too much
// costs a second reading, and is not believed again.
func (t *transfer) sendUnknown(ctx context.Context, m *hashed) error {
	if n := (t.job.ref.Size - m.n) / chunkAlign * chunkAlign; n > window && !t.liar() {
		start := m.n
		a, err := t.put(ctx, mail.Chunk{Offset: start, Length: n, Total: -1, Body: m})
		if err != nil && m.ended {
			t.believeNot()
			if a, err = t.ask(ctx, -1); err != nil {
				return err
			}
			return t.doneOrAgain(ctx, a)
		}
		if err != nil {
			return err
		}
		if a.Done || a.Gone || a.Stored != start+n {
			return t.doneOrAgain(ctx, a)
		}
	}
	for {
		if m.n > maxMessage {
			return t.refuse(ctx, "too_large")
		}
		more, a, err := t.sendWindow(ctx, m)
		if err != nil {
			return err
		}
		if !more {
			return t.doneOrAgain(ctx, a)
		}
	}
}

// sendWindow reads one window and sends it, what Gmail did not keep again.
// more reports that the whole window is stored and the message goes on.
func (t *transfer) sendWindow(ctx context.Context, m *hashed) (more bool, a mail.Answer, err error) {
	b := getWindow(m.n >= sealEvery && t.liar())
	defer putWindow(b)
	start := m.n
	n, err := io.ReadFull(m, b)
	ended := m.ended
	if err != nil && !ended {
		t.forget()
		return false, a, brokenAt(m.n, err)
	}
	total := int64(-1)
	if ended {
		total = m.n
	}
	for try, sent := 0, 0; ; try++ {
		a, err = t.put(ctx, mail.Chunk{
			Offset: start + int64(sent), Length: int64(n - sent), Total: total, Body: bytes.NewReader(b[sent:n]),
		})
		lost := a.Stored < start+int64(sent) || a.Stored > start+int64(n)
		if err != nil || a.Done || a.Gone || lost || try > 2*maxTries {
			return false, a, err
		}
		if sent = int(a.Stored - start); sent == n && !ended {
			return true, a, nil
		}
	}
}

// doneOrAgain ends a message that Gmail has, and puts one that must be read
// once more back into the queue.
func (t *transfer) doneOrAgain(ctx context.Context, a mail.Answer) error {
	off, err := t.next(ctx, a)
	if err != nil {
		return err
	}
	if off < 0 {
		return t.committed(ctx)
	}
	if t.up.tries++; t.up.tries >= maxAttempts {
		t.giveUp(t.job, "upload_incomplete")
		return nil
	}
	t.job.resume = t.up
	t.putBack(t.job)
	return nil
}

func (r *run) liar() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inexact
}

func (r *run) believeNot() {
	r.mu.Lock()
	r.inexact = true
	r.mu.Unlock()
}

// hashed hashes what passes, knows the sum at every multiple of 256 KiB, and
// seals one of them into the claim every 8 MiB.
type hashed struct {
	src      io.Reader
	sum      hash.Hash
	n        int64
	marks    *[]ledger.Checkpoint
	ended    bool // the message ended as it should
	seal     func(ledger.Checkpoint) error
	sealing  sync.WaitGroup
	sealErr  error
	panicked bool // while sealing
}

func (t *transfer) stream(ctx context.Context, src io.Reader) *hashed {
	return &hashed{src: src, sum: t.Keys.Stream(), marks: &t.up.marks, seal: func(cp ledger.Checkpoint) error {
		return t.at(StepCheckpoint, func() error {
			return t.Ledger.Checkpoint(ctx, t.key, cp)
		})
	}}
}

func (m *hashed) Read(p []byte) (int, error) {
	if boundary := chunkAlign - m.n%chunkAlign; int64(len(p)) > boundary {
		p = p[:boundary]
	}
	n, err := m.src.Read(p)
	m.sum.Write(p[:n])
	m.n += int64(n)
	if n > 0 && m.n%chunkAlign == 0 && !m.mark() {
		return 0, errChanged // the request is torn before its last octet
	}
	m.ended = err == io.EOF
	return n, err
}

// errChanged: the source gives other octets than those sent before.
var errChanged = errors.New("bridge: the message has changed at its source")

// mark compares the sum here with that of an earlier reading, or keeps it.
func (m *hashed) mark() (same bool) {
	cp := ledger.Checkpoint{Offset: m.n, Sum: mail.Key(m.sum.Sum(nil)[:16])}
	i, found := slices.BinarySearchFunc(*m.marks, m.n, func(c ledger.Checkpoint, n int64) int {
		return int(c.Offset - n)
	})
	if found {
		return (*m.marks)[i] == cp
	}
	*m.marks = slices.Insert(*m.marks, i, cp)
	if m.n%sealEvery == 0 {
		m.sealing.Wait()
		m.sealing.Go(func() {
			defer func() {
				if recover() != nil { // what was thrown may hold mail
					m.panicked = true // it comes up in wait
				}
			}()
			if err := m.seal(cp); err != nil {
				m.sealErr = err
			}
		})
	}
	return true
}

// wait ends the sealing. A checkpoint that came too late, after the settle, is
// no error; being fenced is.
func (m *hashed) wait() error {
	m.sealing.Wait()
	if m.panicked {
		panic("bridge: sealing a checkpoint panicked")
	}
	if errors.Is(m.sealErr, ledger.ErrTaken) {
		return nil
	}
	return m.sealErr
}

// Windows for the end of a message, and for all of it where sizes lie: then
// 1 MiB above 8 MiB, so that a long upload does not need a request every 256 KiB.
var windows = [2]sync.Pool{
	{New: func() any { return new(make([]byte, window)) }},
	{New: func() any { return new(make([]byte, 4*window)) }},
}

func getWindow(wide bool) []byte {
	if wide {
		return *windows[1].Get().(*[]byte)
	}
	return *windows[0].Get().(*[]byte)
}

func putWindow(b []byte) {
	clear(b)
	if len(b) > window {
		windows[1].Put(&b)
		return
	}
	windows[0].Put(&b)
}
