package cli

import "testing"

const mb = 1 << 20

func TestMemoryIsGivenBackAfterABurstAndNotDuringOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, now heap
		want        bool
	}{
		"a burst is over":                  {heap{allocated: 1000 * mb}, heap{40 * mb, 50 * mb, 25 * mb, 1001 * mb}, true},
		"and somebody reads the metrics":   {heap{allocated: 1000 * mb}, heap{40 * mb, 50 * mb, 25 * mb, 1030 * mb}, true},
		"dead objects count as well":       {heap{allocated: 1000 * mb}, heap{40 * mb, 60 * mb, 0, 1001 * mb}, true},
		"in the midst of it":               {heap{allocated: 1000 * mb}, heap{40 * mb, 50 * mb, 25 * mb, 1100 * mb}, false},
		"it has been given back":           {heap{allocated: 1000 * mb}, heap{40 * mb, 41 * mb, 1 * mb, 1001 * mb}, false},
		"little in all":                    {heap{allocated: 1000 * mb}, heap{4 * mb, 6 * mb, 4 * mb, 1001 * mb}, false},
		"little alive, much held for more": {heap{allocated: 1000 * mb}, heap{4 * mb, 6 * mb, 20 * mb, 1005 * mb}, true},
	} {
		if got := c.now.restful(c.before); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheHeapIsReadFromTheRuntime(t *testing.T) {
	t.Parallel()
	if h := readHeap(); h.objects == 0 || h.allocated < h.objects {
		t.Errorf("%+v", h)
	}
}

func TestALargeHeapIsCollectedMoreOften(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		now, last heap
		want      int
	}{
		{now: heap{live: 10 * mb}, want: 100},
		{now: heap{live: 100 * mb, allocated: 990 * mb}, last: heap{allocated: 900 * mb}, want: 50},
		{now: heap{live: 100 * mb, allocated: 1001 * mb}, last: heap{allocated: 900 * mb}, want: 100}, // it is busy
	} {
		if got := c.now.percent(c.last); got != c.want {
			t.Errorf("%+v after %+v: %d %%, want %d %%", c.now, c.last, got, c.want)
		}
	}
}
