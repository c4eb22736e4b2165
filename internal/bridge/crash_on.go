//go:build crashpoints

package bridge

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

// In a build with the tag crashpoints the environment variable CRASHPOINT,
// "claim:after:3", makes the process kill itself with SIGKILL the third time
// it passes that place: nothing is flushed, closed or deferred.
var (
	crashAt    = os.Getenv("CRASHPOINT")
	crashCount atomic.Int64
)

func crashHere(s Step, w When) {
	if crashAt == "" || !strings.HasPrefix(crashAt, s.String()+":"+w.String()+":") {
		return
	}
	var n int64
	if _, err := fmt.Sscanf(crashAt[strings.LastIndexByte(crashAt, ':')+1:], "%d", &n); err != nil {
		panic("bridge: CRASHPOINT wants step:before|after:n")
	}
	if crashCount.Add(1) == n {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}
