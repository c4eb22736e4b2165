package imap

import (
	"io"
	"testing"
	"testing/synctest"
)

// What a server has begun to say when its connection goes back to go-imap is
// gone: the rest of a whole line does no harm, that of half a line would be
// taken for an answer.
func TestAConnectionWithHalfALineReadIsNotGivenBack(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]bool{"": true, "* 6 EXISTS\r\n": true, "* 6 EXI": false} {
		synctest.Test(t, func(t *testing.T) {
			d := waiter(t, func(w io.Writer, _ int, done <-chan string) {
				_, _ = io.WriteString(w, "+ idling\r\n* 5 EXISTS\r\n")
				_, _ = io.WriteString(w, <-done+more)
			})
			p, err := d.Park(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.Resume(p)
			if given := d.next != nil; given != want {
				t.Errorf("after %.20q: given back %v", more, given)
			}
			d.Close()
		})
	}
}
