package risc_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// piped is a world in fake time.
func piped(t *testing.T) *world {
	pipe := gmailtest.NewPipe()
	l := gmailtest.New(gmailtest.Options{}).Serve(pipe)
	l.URL = "http://127.0.0.1"
	tr := &http.Transport{DialContext: pipe.Dial}
	t.Cleanup(func() { tr.CloseIdleConnections(); l.Close() })
	return assemble(t, l, tr)
}

func TestKeysAreReadAgainWhenNeededAndNotMoreThanOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := piped(t)
		old := w.event(gmailtest.Event{JTI: "old"})
		step := func(name string, body []byte, status, looks int) {
			t.Helper()
			if a := w.r.Receive(t.Context(), kind, body); a.Status != status {
				t.Errorf("%s: answer = %d %s (%v), want %d", name, a.Status, a.Body, a.Err, status)
			}
			if n := w.l.Stats().Requests[gmailtest.Certs]; n != looks {
				t.Errorf("%s: looks = %d, want %d", name, n, looks)
			}
		}
		step("first", w.event(gmailtest.Event{}), 202, 1)
		step("cached", w.event(gmailtest.Event{}), 202, 1)
		for range 100 {
			step("made-up key", w.event(gmailtest.Event{Header: map[string]any{"kid": "x"}}), 400, 1)
		}
		w.l.RotateKey(false)
		step("rotated, within the minute", w.event(gmailtest.Event{}), 400, 1)
		time.Sleep(time.Minute)
		step("rotated", w.event(gmailtest.Event{}), 202, 2)
		step("old key, still published", old, 202, 2)
		w.l.RotateKey(true)
		step("old key, cached", old, 202, 2)
		time.Sleep(time.Hour)
		step("old key, withdrawn", old, 400, 3)
	})
}

// A sender that hangs up does not keep the keys from being read.
func TestImpatientSenderDoesNotMakeUsBlind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := piped(t)
		w.l.Next(gmailtest.Fault{At: gmailtest.Certs, Kind: gmailtest.Delay, DelayMS: 2000})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.r.Receive(ctx, kind, w.event(gmailtest.Event{}))
		if a := w.r.Receive(t.Context(), kind, w.event(gmailtest.Event{})); a.Status != 202 {
			t.Errorf("answer = %d (%v)", a.Status, a.Err)
		}
	})
}
