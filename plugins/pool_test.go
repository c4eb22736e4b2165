package plugins_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

// A plugin that nobody asks holds no instance.
func TestInstancesGoAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, err := plugins.New(t.Context(), plugins.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := plain(t, h, gatetest.I64Const(0))
		ask := func() {
			if _, err := r.Run(t.Context(), facts("s")); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		time.Sleep(40 * time.Second)
		ask()
		time.Sleep(40 * time.Second)
		if got := r.Plugin.Idle(); got != 1 {
			t.Errorf("%d instances 40 s after a message, want 1", got)
		}
		time.Sleep(2 * time.Minute)
		if got := r.Plugin.Idle(); got != 0 {
			t.Errorf("%d instances after two minutes, want 0", got)
		}
		ask()
		if err := h.Forget(t.Context(), r.Plugin.Digest); err != nil || r.Plugin.Idle() != 0 {
			t.Errorf("forgotten: %d instances, %v", r.Plugin.Idle(), err)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Snapshots have a bound; one that had to go is made again, and says the same.
func TestSnapshotsAreBounded(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{Snapshots: 1})
	m := guest(asReason(call(fnConfig, keyText, 4, buffer, 64)))
	short, long := rule(t, h, m, plainManifest, `{"text":"a"}`), rule(t, h, m, plainManifest, `{"text":"a longer one"}`)
	for range 3 {
		for r, want := range map[*plugins.Rule]uint16{short: 1, long: 12} {
			if out, err := r.Run(t.Context(), facts("s")); err != nil || out.Reason != want {
				t.Errorf("%+v, %v, want %d", out, err, want)
			}
		}
	}
}

func BenchmarkRule(b *testing.B) {
	r := plain(b, host(b, plugins.Options{}), call(fnInList, 1, keyDomains, 7), i32(1), []byte{0x46, 0x04, 0x40}, gatetest.I64Const(1<<32|1), []byte{0x0f, 0x0b},
		call(fnField, 4, buffer, 100), i32(0), []byte{0x4a, 0x04, 0x40}, call(fnLabel, buffer, 4), []byte{0x1a, 0x0b}, gatetest.I64Const(0))
	b.ReportAllocs()
	for b.Loop() {
		if out, err := r.Run(b.Context(), facts("s")); err != nil || out.Reason != 1 {
			b.Fatal(out, err)
		}
	}
}
