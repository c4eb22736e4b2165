package plugins_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// TestAWorkerHasTheLimitsOfTheKernel: what it holds it to is the kernel's to say.
func TestAWorkerHasTheLimitsOfTheKernel(t *testing.T) {
	t.Parallel()
	h := apart(t)
	if _, err := noting(t, h, 1).Run(t.Context(), facts("s")); err != nil {
		t.Fatal(err)
	}
	for name, limit := range map[string]struct {
		resource int
		most     uint64
	}{
		"addresses": {unix.RLIMIT_AS, 4 << 30}, "dumps": {unix.RLIMIT_CORE, 0}, "files it may write": {unix.RLIMIT_FSIZE, 0},
		"open files": {unix.RLIMIT_NOFILE, 16}, "locked memory": {unix.RLIMIT_MEMLOCK, 0},
	} {
		var got unix.Rlimit
		if err := unix.Prlimit(h.WorkerPID(), limit.resource, nil, &got); err != nil || got.Cur != limit.most || got.Max != limit.most {
			t.Errorf("%s: %+v, %v, want %d", name, got, err, limit.most)
		}
	}
}

// TestCompilingHasALimit: a module that keeps its compiler busy is refused, by the
// kernel's count of the processor's time, and so is one that makes it wait.
func TestCompilingHasALimit(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]time.Duration{plugins.SpinsTheCompiler: 10 * time.Minute, plugins.HangsTheCompiler: 5 * time.Second} {
		h := apart(t)
		h.CompileLimit(time.Second, clock)
		start := time.Now()
		_, err := h.Load(t.Context(), pack(guest(gatetest.I64Const(0)), strings.Replace(plainManifest, `"name":"test"`, `"name":"`+name+`"`, 1)))
		if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.Compile || !strings.Contains(fault.Detail, "1 s of a processor") {
			t.Errorf("%s: %v after %v", name, err, time.Since(start))
		}
	}
}

// TestModulesThatNobodyAsksForGo, in the worker and its host, and come back when
// they are asked for.
func TestModulesThatNobodyAsksForGo(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{Worker: self(t), Modules: 2000})
	h.Limit(time.Minute)
	var rules []*plugins.Rule
	for i := range int32(12) {
		rules = append(rules, noting(t, h, i+1))
	}
	if got := h.Loaded(); got < 1 || got >= 12 {
		t.Errorf("%d modules are kept, want some of 12", got)
	}
	for range 2 {
		for i, r := range rules {
			if out, err := r.Run(t.Context(), facts("s")); err != nil || out.Bits != manifest.Star {
				t.Fatalf("rule %d: %+v, %v", i, out, err)
			}
		}
	}
	if err := h.Forget(t.Context(), rules[11].Plugin.Digest); err != nil {
		t.Fatal(err)
	}
	if out, err := rules[11].Run(t.Context(), facts("s")); err != nil || out.Bits != manifest.Star {
		t.Errorf("a rule whose module was removed for another user: %+v, %v", out, err)
	}
}
