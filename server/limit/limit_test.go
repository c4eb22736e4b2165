package limit

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestABurstIsAllowedAndThenTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(Rate{N: 5, Per: 10 * time.Second}, 10)
		for i := range 5 {
			if v := l.Take("a"); !v.OK || v.Left != 4-i {
				t.Fatalf("take %d: %+v", i, v)
			}
		}
		v := l.Take("a")
		if v.OK || v.After != 2*time.Second || v.Reset != 10*time.Second {
			t.Errorf("got %+v, want a refusal for 2 s", v)
		}
		if v := l.Take("b"); !v.OK {
			t.Error("one key takes another's")
		}
		time.Sleep(v.After - time.Nanosecond)
		if l.Take("a").OK {
			t.Error("allowed before the time that was named")
		}
		time.Sleep(time.Nanosecond)
		if !l.Take("a").OK {
			t.Error("refused after the time that was named")
		}
	})
}

func TestAskingWhileRefusedDoesNotPutItOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(Rate{N: 1, Per: time.Second}, 10)
		l.Take("a")
		for range 9 {
			time.Sleep(100 * time.Millisecond)
			if l.Take("a").OK {
				t.Fatal("allowed too early")
			}
		}
		time.Sleep(101 * time.Millisecond)
		if !l.Take("a").OK {
			t.Error("still refused")
		}
	})
}

func TestBucketsAreBoundedAndForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(Rate{N: 5, Per: time.Minute}, 100)
		for i := range 10_000 {
			l.Take(strconv.Itoa(i))
		}
		if n := l.Len(); n != 100 {
			t.Errorf("%d buckets, want 100", n)
		}
		time.Sleep(time.Minute)
		for i := range 50 { // each takes two old ones away
			l.Take("x" + strconv.Itoa(i))
		}
		if n := l.Len(); n != 50 {
			t.Errorf("%d buckets, want the 50 new ones: the others are full again", n)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	l := New(Rate{N: 1000, Per: time.Second}, 1000)
	for b.Loop() {
		l.Take("somebody")
	}
}
