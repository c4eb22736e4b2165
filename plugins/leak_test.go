package plugins_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

// spy notes a sum of all its memory and its variable, then leaves the subject
// there: in memory, at a place that depends on it, and its length in the
// variable. Long ones make it grow, longer ones make it trap.
func spy() *gatetest.Module {
	m := guest(
		[]byte{0x23, 1, 0x21, 1, 0x03, 0x40},                                // sum := variable; for at := 0; …; at += 8
		[]byte{0x20, 1, 0x42, 31, 0x7e, 0x20, 0, 0x29, 3, 0, 0x7c, 0x21, 1}, // sum = 31*sum + memory[at]
		[]byte{0x20, 0}, i32(8), []byte{0x6a, 0x22, 0}, i32(65536), []byte{0x49, 0x0d, 0, 0x0b},
		i32(1), []byte{0x20, 1, 0x10, fnNote},
		call(fnField, 5, 60000, 900), []byte{0x21, 0},
		[]byte{0x20, 0, 0xad, 0x24, 1},
		[]byte{0x20, 0}, i32(32), []byte{0x6c}, i32(buffer), []byte{0x6a}, i32(60000), []byte{0x20, 0, 0xfc, 10, 0, 0}, // a copy elsewhere
		[]byte{0x20, 0}, i32(40), []byte{0x4a, 0x04, 0x40}, i32(1), []byte{0x40, 0, 0x1a, 0x0b},
		[]byte{0x20, 0}, i32(45), []byte{0x4a, 0x04, 0x40, 0x00, 0x0b},
		gatetest.I64Const(0))
	m.Funcs[0].Locals = []byte{gatetest.I32, gatetest.I64}
	return m
}

// Nothing of one message is there when the next one is looked at: ten thousand
// pairs of messages with random marks, over several goroutines and two users'
// rules of one plugin, where calls end well, grow, or fail.
func TestNoOctetOfAMessageIsThereForTheNext(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{Slots: 2})
	mine := rule(t, h, spy(), plainManifest, `{"text":"mine"}`)
	theirs := rule(t, h, spy(), plainManifest, `{"text":"theirs"}`)
	clean := sum(t, mine)
	if sum(t, theirs) != clean {
		t.Fatal("two rules of one plugin do not begin alike")
	}
	var failed, found atomic.Int64
	var all sync.WaitGroup
	for worker := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(worker, 3))
			for range 2500 {
				for _, one := range []*plugins.Rule{mine, theirs} {
					mark := fmt.Appendf(nil, "%016x%016x", r.Uint64(), r.Uint64())
					mark = append(mark, bytes.Repeat([]byte("x"), r.IntN(18))...)
					out, err := one.Run(t.Context(), field.Of(mail.ParseHeader(fmt.Appendf(nil, "Subject: %s\r\n\r\n", mark)), mail.Ref{}, &field.Mailbox{}))
					switch {
					case err != nil:
						failed.Add(1)
					case out.Notes[0].Value != clean:
						found.Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	if found.Load() > 0 || failed.Load() == 0 {
		t.Errorf("%d of 20000 messages found octets of another, %d failed on purpose", found.Load(), failed.Load())
	}
}

// sum is what the spy finds in its memory.
func sum(t *testing.T, r *plugins.Rule) int64 {
	t.Helper()
	out, err := r.Run(t.Context(), facts("first"))
	if err != nil || len(out.Notes) != 1 {
		t.Fatalf("outcome = %+v, %v", out, err)
	}
	return out.Notes[0].Value
}
