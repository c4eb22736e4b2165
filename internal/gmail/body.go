package gmail

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

var (
	errShort    = errors.New("gmail: message ended before its announced length")
	errReleased = errors.New("gmail: request is over")
)

// body stands between a chunk and net/http. It keeps three promises:
//
//   - The request never carries less than it announced: a source that ends or
//     breaks early turns into an error, and net/http aborts the request before
//     its last octet.
//   - After release nobody reads the source any more. net/http may go on
//     reading a body after an early answer, while the caller already reuses
//     the buffer behind it.
//   - It is no io.Seeker and has no GetBody, so net/http cannot send it twice.
type body struct {
	mu    sync.Mutex
	src   io.Reader // nil once released
	left  int64
	begun bool
	err   error  // why the source failed
	watch *watch // stands still while the source is waited for
}

func newBody(c mail.Chunk, w *watch) *body {
	return &body{src: c.Body, left: c.Length, watch: w}
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.src == nil:
		return 0, errReleased
	case b.err != nil:
		return 0, b.err
	case b.left == 0:
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	b.begun = true
	b.watch.pause()
	n, err := b.src.Read(p)
	b.watch.again()
	switch {
	case n < 0 || n > len(p):
		panic("gmail: chunk body returned an impossible count")
	case err == io.EOF && int64(n) < b.left:
		err = errShort
	case err == io.EOF:
		err = nil
	}
	if err != nil { // what came with the error stays here: it may be the last octet
		b.err = err
		return 0, err
	}
	b.left -= int64(n)
	if b.left == 0 {
		return n, io.EOF
	}
	return n, nil
}

// Close leaves the source alone: it belongs to the caller.
func (*body) Close() error { return nil }

// release waits for a Read in progress and forbids all later ones. It reports
// whether octets were taken, and why the source failed, if it did.
func (b *body) release() (begun bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.src = nil
	return b.begun, b.err
}

// stallTimeout ends a request in which nothing moved for so long.
const stallTimeout = 2 * time.Minute

// watch cancels a request when nothing has moved for stallTimeout, whether the
// octets do not leave or the answer does not come.
type watch struct {
	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

func newWatch(cancel func()) *watch { return &watch{timer: time.AfterFunc(stallTimeout, cancel)} }

func (w *watch) pause() {
	if w != nil {
		w.timer.Stop()
	}
}

func (w *watch) again() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.timer.Reset(stallTimeout)
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}
