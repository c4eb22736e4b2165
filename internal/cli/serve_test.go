package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
)

func TestSIGTERMInTheStartIsNoFailure(t *testing.T) {
	t.Parallel()
	for cause, fails := range map[error]bool{errTerminated: false, errInterrupted: true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		var out bytes.Buffer
		a := &app{ctx: ctx, stdin: os.Stdin, stdout: &out, stderr: &out, env: []string{
			"SMTPSYNC_DATABASE_URL=sqlite://" + t.TempDir(), "SMTPSYNC_LISTEN=127.0.0.1:0", "SMTPSYNC_METRICS_LISTEN=off",
			"SMTPSYNC_GOOGLE_CLIENT_ID=id", "SMTPSYNC_GOOGLE_CLIENT_SECRET=secret",
		}}
		if err := (serveCmd{}).Run(a); (err != nil) != fails {
			t.Errorf("%v: %v\n%s", cause, err, out.String())
		}
	}
	failure := errors.New("the disk is full")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTerminated)
	if err := ended(ctx, failure); !errors.Is(err, failure) {
		t.Errorf("a failure in the drain is reported as %v", err)
	}
}
