package plugins_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// The tests are their own worker.
const asWorker = "as-a-worker"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asWorker {
		if err := plugins.ServeBadly(context.Background()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func self(t testing.TB) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{exe, asWorker}
}

// apart is a host whose plugins run in a process of their own.
func apart(t testing.TB) *plugins.Host {
	t.Helper()
	h := host(t, plugins.Options{Worker: self(t)})
	h.Limit(time.Minute) // a busy machine is no reason to fail
	return h
}

// noting is a rule that leaves a note and stars the message.
func noting(t testing.TB, h *plugins.Host, code int32) *plugins.Rule {
	t.Helper()
	return plain(t, h, call2(fnNote, i32(code), gatetest.I64Const(0)), gatetest.I64Const(1<<2))
}

func call2(fn byte, args ...[]byte) []byte { return cat(cat(args...), []byte{0x10, fn}) }

// TestAWorkerSaysWhatTheHostItselfWould: the same verdicts, labels, notes, fuel and
// faults, in this process and in the other.
func TestAWorkerSaysWhatTheHostItselfWould(t *testing.T) {
	t.Parallel()
	here, there := host(t, plugins.Options{}), apart(t)
	for name, body := range map[string][]byte{
		"a verdict":        cat(call(fnLabel, keyText, 4), []byte{0x1a}, call2(fnNote, i32(7), gatetest.I64Const(-1)), gatetest.I64Const(3<<32|1<<1|1<<4)),
		"a field":          asReason(call(fnField, 5, buffer, 64)),
		"a header field":   asReason(call(fnHeader, headerName, 6, 1, buffer, 64)),
		"the mailbox":      asReason(call(fnField, 9, buffer, 64)),
		"settings":         asReason(call(fnInList, 1, keyDomains, 7)),
		"the size":         asReason(call(fnNumber, 1), []byte{0xa7}),
		"a trap":           {0x00},
		"a bad pointer":    cat(call(fnField, 5, -1, 64), []byte{0x1a}, gatetest.I64Const(0)),
		"unknown bits":     gatetest.I64Const(1 << 20),
		"out of its depth": cat([]byte{0x03, 0x40, 0x0c, 0, 0x0b}, gatetest.I64Const(0)),
	} {
		a, errA := plain(t, here, body).Run(t.Context(), facts("Re: hello"))
		b, errB := plain(t, there, body).Run(t.Context(), facts("Re: hello"))
		if fmt.Sprintf("%+v %v", a, errA) != fmt.Sprintf("%+v %v", b, errB) {
			t.Errorf("%s: %+v, %v here; %+v, %v there", name, a, errA, b, errB)
		}
	}
	bad := guest(gatetest.I64Const(0))
	bad.Exports = append(bad.Exports, gatetest.Export{Name: "configure_v1", Index: 9})
	bad.Funcs = append(bad.Funcs, gatetest.Func{Type: 7, Body: i32(42)})
	p, err := there.Load(t.Context(), pack(bad, plainManifest))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Rule(t.Context(), json.RawMessage(plainSettings))
	if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.BadConfig || fault.Number != 42 {
		t.Errorf("settings that configure_v1 refuses: %v", err)
	}
}

// TestAPluginEndsItsProcessAndNoOther: what gets out of the sandbox ends the worker,
// fails for its own message, and the rules of others go on.
func TestAPluginEndsItsProcessAndNoOther(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int32{"ends it": plugins.CodeEnd, "eats memory": plugins.CodeEat, "never returns": plugins.CodeHang, "babbles": plugins.CodeBabble, "lies": plugins.CodeLie} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := apart(t)
			if code == plugins.CodeHang {
				h.Limit(time.Second)
			}
			bad, good := noting(t, h, code), noting(t, h, 1)
			for range 2 { // once more in a process that knew neither
				if out, err := good.Run(t.Context(), facts("now")); err != nil || out.Bits != manifest.Star {
					t.Fatalf("another's rule before: %+v, %v", out, err)
				}
				pid := h.WorkerPID()
				_, err := bad.Run(t.Context(), facts("now"))
				if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.Died {
					t.Fatalf("%v, want a fault of class %s", err, plugins.Died)
				}
				h.Limit(time.Minute)
				out, err := good.Run(t.Context(), facts("now"))
				if err != nil || out.Bits != manifest.Star {
					t.Fatalf("another's rule after: %+v, %v", out, err)
				}
				if h.WorkerPID() == pid {
					t.Error("the process lives on")
				}
				if code == plugins.CodeHang {
					h.Limit(time.Second)
				}
			}
		})
	}
}

// TestMailPassesARuleThatEndsItsProcess: it fails open, and switches off.
func TestMailPassesARuleThatEndsItsProcess(t *testing.T) {
	t.Parallel()
	h := apart(t)
	var classes []plugins.Class
	chain := &plugins.Chain{User: "u", Rules: []*plugins.Rule{noting(t, h, plugins.CodeEnd), noting(t, h, 1)}, Failed: func(_ mail.Ref, f *plugins.Fault) { classes = append(classes, f.Class) }}
	for range 4 {
		v, err := chain.Decide(t.Context(), message("now"), mail.Ref{})
		if err != nil || !v.Star || v.Skip || !strings.HasPrefix(v.Reason, "rule_failed:") {
			t.Errorf("verdict %+v, %v", v, err)
		}
	}
	if want := []plugins.Class{plugins.Died, plugins.Died, plugins.Died, plugins.Off}; !slices.Equal(classes, want) {
		t.Errorf("classes %v, want %v", classes, want)
	}
}

// TestAModuleThatEndsItsCompilerIsRefused, and nobody's rules notice.
func TestAModuleThatEndsItsCompilerIsRefused(t *testing.T) {
	t.Parallel()
	h := apart(t)
	good := noting(t, h, 1)
	pid := h.WorkerPID()
	for _, name := range []string{plugins.EndsTheCompiler, plugins.EatsTheCompiler} {
		_, err := h.Load(t.Context(), pack(guest(gatetest.I64Const(0)), strings.Replace(plainManifest, `"name":"test"`, `"name":"`+name+`"`, 1)))
		if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.Compile || fault.Detail == "" {
			t.Errorf("%s: %v, want a fault of class %s that says why", name, err, plugins.Compile)
		}
	}
	if out, err := good.Run(t.Context(), facts("now")); err != nil || out.Bits != manifest.Star || h.WorkerPID() != pid {
		t.Errorf("another's rule: %+v, %v, in process %d, was in %d", out, err, h.WorkerPID(), pid)
	}
}

// TestAWorkerReachesNothing: no file, no address, no program, no other process, no
// environment.
func TestAWorkerReachesNothing(t *testing.T) {
	t.Parallel()
	out, err := noting(t, apart(t), plugins.CodeReach).Run(t.Context(), facts("now"))
	if err != nil || len(out.Notes) != 2 || out.Notes[0].Value != 0 {
		t.Errorf("%+v, %v: something was reached", out, err)
	}
}

// TestAHostWithoutAWorkerFailsOpen: a program that is not there is no plugin's fault.
func TestAHostWithoutAWorkerFailsOpen(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{Worker: []string{"/nowhere/at/all"}})
	_, err := h.Load(t.Context(), pack(guest(gatetest.I64Const(0)), plainManifest))
	if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.Away {
		t.Errorf("%v, want a fault of class %s", err, plugins.Away)
	}
}

// TestTrustedModulesRunInTheHost: they cost no pipe, and stand in one chain with others.
func TestTrustedModulesRunInTheHost(t *testing.T) {
	t.Parallel()
	wasm := pack(guest(gatetest.I64Const(1<<2)), plainManifest)
	h := host(t, plugins.Options{Worker: self(t), Trusted: func(d plugins.Digest) bool { return d == sha256.Sum256(wasm) }})
	p, err := h.Load(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := p.Rule(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := trusted.Run(t.Context(), facts("s")); err != nil || out.Bits != manifest.Star || h.WorkerPID() != 0 {
		t.Errorf("%+v, %v, in process %d", out, err, h.WorkerPID())
	}
	other := plain(t, h, gatetest.I64Const(1<<1))
	chain := &plugins.Chain{User: "u", Rules: []*plugins.Rule{trusted, other}}
	if v, err := chain.Decide(t.Context(), message("s"), mail.Ref{}); err != nil || !v.Star || !v.Archive || h.WorkerPID() == 0 {
		t.Errorf("%+v, %v, in process %d", v, err, h.WorkerPID())
	}
}

// TestForgottenRulesAreMadeAgain: what a host forgets is gone from its worker, and
// whoever still has the rule gets it once more.
func TestForgottenRulesAreMadeAgain(t *testing.T) {
	t.Parallel()
	h := apart(t)
	r := noting(t, h, 1)
	r.Forget()
	if out, err := r.Run(t.Context(), facts("now")); err != nil || out.Bits != manifest.Star {
		t.Errorf("%+v, %v", out, err)
	}
	if err := h.Forget(t.Context(), r.Plugin.Digest); err != nil {
		t.Fatal(err)
	}
	if out, err := r.Run(t.Context(), facts("now")); err != nil || out.Bits != manifest.Star {
		t.Errorf("%+v, %v", out, err)
	}
}

func BenchmarkWorker(b *testing.B) {
	r := noting(b, apart(b), 1)
	f := facts("hello")
	for b.Loop() {
		if _, err := r.Run(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
}
