package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// TestNoOctetOfABodyIsLeftBehind moves mail that carries a marker in body,
// subject and attachment name, plain and encoded, and then looks for it
// everywhere the process could have written: the store (also while it runs and
// after it was killed), its output, temporary files, a panic's trace.
func TestNoOctetOfABodyIsLeftBehind(t *testing.T) {
	t.Parallel()
	canary := testkit.NewCanary()
	raws := [][]byte{canary.Message(3_000), canary.Message(200_000), canary.Message(2_000_000)}
	d := sharedDovecot(t)
	for _, way := range d.Ways() {
		t.Run(way.Name, func(t *testing.T) {
			name := d.user(t, raws)
			in := install(t, gmailtest.Options{}, "-tags", "crashpoints")
			tmp := filepath.Join(t.TempDir(), "tmp")
			if err := os.Mkdir(tmp, 0o700); err != nil {
				t.Fatal(err)
			}
			in.env["TMPDIR"] = tmp
			in.env["GOTRACEBACK"] = "all"
			in.env["SMTPSYNC_LOG_LEVEL"] = "debug"
			box := in.at(scheme(way), name, password, way.Port, d.CA)
			search := func(when string, r result) {
				t.Helper()
				for _, out := range []string{r.stdout, r.stderr} {
					if hits := canary.Find([]byte(out)); len(hits) > 0 {
						t.Errorf("%s: the output has the marker as %v", when, hits)
					}
				}
				for _, dir := range []string{filepath.Dir(in.data), tmp} {
					if hits, err := canary.FindIn(dir); err != nil || len(hits) > 0 {
						t.Errorf("%s: %v, %v", when, hits, err)
					}
				}
			}
			// Killed in the middle of a body, with everything still open.
			in.env["CRASHPOINT"] = "body:after:2"
			search("killed", in.sync(box))
			delete(in.env, "CRASHPOINT")

			// Told to dump every goroutine while a body flows.
			in.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Delay, DelayMS: 1500, Times: -1})
			cmd := in.command(t.Context(), in.syncArgs(box)...)
			time.AfterFunc(600*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
			search("dumped", in.wait(cmd))
			in.gmail.ClearFaults()

			r := in.sync(box)
			r.orFail(t)
			search("done", r)
			if n := in.gmail.Count(user); n != len(raws) {
				t.Errorf("%d of %d messages arrived", n, len(raws))
			}
		})
	}
}

// TestTheCanaryWouldBeFound is the negative control of the test above: a file
// with one body in it, and an output with one.
func TestTheCanaryWouldBeFound(t *testing.T) {
	t.Parallel()
	canary := testkit.NewCanary()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "spool"), canary.Message(5_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if hits, err := canary.FindIn(dir); err != nil || len(hits) == 0 {
		t.Errorf("a spooled body was not found: %v", err)
	}
	if hits := canary.Find([]byte("panic: " + strings.ToUpper("x") + string(canary.Message(300)))); len(hits) == 0 {
		t.Error("a printed body was not found")
	}
}
