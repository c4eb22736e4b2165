package plugins

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAPluginThatGoesOnFailingRests(t *testing.T) {
	t.Parallel()
	key := breakerKey{user: "u"}
	for _, c := range []struct {
		name  string
		goes  string // + and - for each message
		rests bool
	}{
		{"good", "++++", false},
		{"two in a row", "--", false},
		{"three in a row", "+---", true},
		{"four of twenty", "-+++-+++-+++-+++++++", false},
		{"five of twenty", "-+++-+++-+++-+++-", true},
		{"five of more than twenty", "-+++++-+++++-+++++-+++++-+++++-", false},
	} {
		var b breakers
		for _, m := range c.goes {
			b.allow(key)
			b.note(key, m == '-')
		}
		if got := !b.allow(key); got != c.rests {
			t.Errorf("%s: rests %v, want %v", c.name, got, c.rests)
		}
		if !b.allow(breakerKey{user: "v"}) {
			t.Errorf("%s: rests for another user, too", c.name)
		}
	}
}

func TestARestDoublesUpToADayAndEndsWithAGoodMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b breakers
		key := breakerKey{user: "u"}
		for range 3 {
			b.note(key, true)
		}
		for want := 10 * time.Minute; ; want = min(2*want, 24*time.Hour) {
			time.Sleep(want - time.Second)
			if b.allow(key) {
				t.Fatalf("rests less than %v", want)
			}
			time.Sleep(time.Second)
			if !b.allow(key) {
				t.Fatalf("rests longer than %v", want)
			}
			if b.allow(key) {
				t.Fatal("two messages try it")
			}
			b.unasked(key)
			if !b.allow(key) {
				t.Fatal("the message that tried was taken away, and no other may")
			}
			if want == 24*time.Hour {
				break
			}
			b.note(key, true)
		}
		b.note(key, false)
		if !b.allow(key) || len(b.by) != 0 {
			t.Errorf("a good message does not end it: %+v", b.by[key])
		}
	})
}
