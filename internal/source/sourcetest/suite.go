package sourcetest

import (
	"bytes"
	"context"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Source has the methods of bridge.Source; its contract is written there.
type Source interface {
	List(ctx context.Context) iter.Seq2[mail.Ref, error]
	Header(ctx context.Context, ref mail.Ref) (*mail.Header, error)
	Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error]
	Delete(ctx context.Context, refs []mail.Ref) error
	MarkSeen(ctx context.Context, refs []mail.Ref) error
	Move(ctx context.Context, refs []mail.Ref, folder string) error
	Close(ctx context.Context) error
}

// Harness is one way to reach one kind of server.
type Harness struct {
	// Serve makes a fresh mailbox that holds these messages, oldest first:
	// raw octets with CRLF line ends. It cleans up through t.
	Serve func(t *testing.T, messages [][]byte) Mailbox
	// Form is what a message has become when it has been through server and
	// protocol; nil: unchanged. See POP3Form.
	Form func(raw []byte) []byte
	// DeletesAtClose is POP3: Delete takes effect when Close returns nil.
	DeletesAtClose bool
	// Seen is IMAP: messages carry a \Seen flag, and MarkSeen sets it.
	Seen bool
	// NUL: the server keeps NUL octets as they are.
	NUL bool
}

// Mailbox is one mailbox on a running server.
type Mailbox struct {
	Addr     string // host:port; "" when no network is involved
	Password string // the right one
	// Dial opens a session at addr, which is Addr or a proxy in front of it on
	// another port of 127.0.0.1: the host name to verify stays the server's.
	Dial func(ctx context.Context, addr, password string) (Source, error)
	// Remove takes the i-th message away behind the source's back, counted
	// from 0; nil: this server cannot.
	Remove func(i int) error
	// Messages gives what is in the mailbox now, in any order, by another way
	// than the source under test; nil: a second session is asked.
	Messages func() ([][]byte, error)
}

// Run runs every case. It must not run in parallel with other tests of the
// process, because it counts goroutines.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if reason := c.skip(h); reason != "" {
				t.Skip(reason)
			}
			messages := c.messages(h)
			box := h.Serve(t, messages)
			if c.network && box.Addr == "" {
				t.Skip("no network is involved")
			}
			if c.removes && box.Remove == nil {
				t.Skip("this server cannot lose a message during a session")
			}
			w := &world{h: h, box: box, addr: box.Addr, sent: messages}
			before := runtime.NumGoroutine()
			if c.network {
				w.proxy = startProxy(t, box.Addr)
				w.addr = w.proxy.addr()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if err := c.run(ctx, w); err != nil {
				t.Errorf("%v\nThe rule: %s", err, c.why)
			}
			if w.proxy != nil {
				w.proxy.stop()
			}
			cancel()
			checkGoroutines(t, before)
		})
	}
}

// checkGoroutines waits for what a session started to end. The server's own
// goroutines end with their connections, so they are given a moment.
func checkGoroutines(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if runtime.NumGoroutine() <= before {
			return
		}
		if time.Now().After(deadline) {
			break
		}
	}
	stacks := make([]byte, 256<<10)
	stacks = stacks[:runtime.Stack(stacks, true)]
	t.Errorf("%d goroutines before the session, %d after it\nThe rule: whoever starts a goroutine waits for its end\n%s",
		before, runtime.NumGoroutine(), stacks)
}

// POP3Form is what POP3 makes of a message: its last line always ends (RFC
// 1939 3).
func POP3Form(raw []byte) []byte {
	if len(raw) == 0 || bytes.HasSuffix(raw, []byte("\r\n")) {
		return raw
	}
	return append(bytes.Clone(raw), "\r\n"...)
}
