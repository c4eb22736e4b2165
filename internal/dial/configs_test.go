package dial

import (
	"runtime"
	"testing"
	"time"
)

func TestConnectionsToAHostShareTheirSettingsAndNothingIsLeftOfThem(t *testing.T) {
	t.Parallel()
	var c configs
	a, b, other := c.of("a.example"), c.of("a.example"), c.of("b.example")
	if a != b || a == other {
		t.Fatal("settings are not those of the host")
	}
	if a.ServerName != "a.example" || other.ServerName != "b.example" {
		t.Fatalf("%q and %q", a.ServerName, other.ServerName)
	}
	runtime.KeepAlive(a)
	for range 100 { // the runtime runs cleanups when it likes
		runtime.GC()
		c.mu.Lock()
		left := len(c.byName)
		c.mu.Unlock()
		if left == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("settings of hosts that nobody is connected to are kept")
}
