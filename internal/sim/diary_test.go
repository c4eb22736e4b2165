package sim

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// diary keeps the last things that happened to a mailbox, for whoever has to
// find out what went wrong: the run may not come back.
type diary struct {
	mu   sync.Mutex
	last [200]event
	n    int
}

type event struct {
	at           time.Time
	what, detail string
}

func (d *diary) add(what, detail string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[d.n%len(d.last)] = event{time.Now(), what, detail}
	d.n++
}

// String gives a line for each event.
func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s strings.Builder
	for i := max(0, d.n-len(d.last)); i < d.n; i++ {
		e := d.last[i%len(d.last)]
		fmt.Fprintf(&s, "\t%s %s %s\n", e.at.Format(clock), e.what, e.detail)
	}
	return s.String()
}

// clock is how the time of a world is written: its first day is the 1st.
const clock = "2 15:04:05.000"

// tell writes into a diary.
func (b *box) tell(what, detail string) { b.diary.add(what, detail) }

// tell writes into all of them.
func (w *world) tell(what, detail string) {
	for _, b := range w.boxes {
		b.tell(what, detail)
	}
}

// tell writes into those of one user.
func (u *user) tell(what, detail string) {
	for _, b := range u.boxes {
		b.tell(what, detail)
	}
}

// sin notes what the program must never do, with the diary of the first.
func (b *box) sin(format string, args ...any) {
	b.w.sin("%s: "+format+"\n%s", append(append([]any{b.name}, args...), &b.diary)...)
}

// sin notes it where it is nobody's mailbox in particular.
func (w *world) sin(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sins) < 3 {
		w.sins = append(w.sins, time.Now().Format(clock)+" "+fmt.Sprintf(format, args...))
	}
}
