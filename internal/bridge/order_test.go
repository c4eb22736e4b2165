package bridge

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// asked notes the order in which a mail server is asked for messages, a batch
// a word.
func asked(batches *[]string) *odd {
	var mu sync.Mutex
	return &odd{fetch: func(all fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
		var b strings.Builder
		for _, r := range refs {
			fmt.Fprintf(&b, "%d", r.Number)
		}
		mu.Lock()
		*batches = append(*batches, b.String())
		mu.Unlock()
		return all(refs)
	}}
}

// numbers puts messages 1 to n into a world.
func numbers(t *testing.T, k kind, n int) *world {
	w := newWorld(t, k)
	for i := range n {
		w.drop.add(message(i, 100))
	}
	return w
}

func TestNewMailGoesBeforeHistory(t *testing.T) {
	for name, c := range map[string]struct {
		known   int // messages of before
		left    int
		newest  bool
		pop3    string // batches are of three
		imap    string
		history int // reserved from its budget
	}{
		"the first look":                {0, 0, false, "123 456 789", "123 456 789", 9},
		"the first look, newest first":  {0, 0, true, "987 654 321", "789 456 123", 9},
		"nothing was left":              {2, 0, false, "345 678 9", "345 678 9", 0},
		"some was left":                 {1, 4, false, "678 9 234 5", "678 9 234 5", 4},
		"some was left, newest first":   {1, 4, true, "678 9 543 2", "678 9 345 2", 4},
		"more was left than there is":   {1, 20, false, "234 567 89", "234 567 89", 8},
		"all is new, newest first":      {2, 0, true, "345 678 9", "345 678 9", 0},
		"what was left is there, alone": {1, 8, false, "234 567 89", "234 567 89", 8},
	} {
		for _, k := range []kind{pop3, imap} {
			t.Run(name+"/"+k.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := numbers(t, k, c.known)
					w.sync(Leave)
					for i := range 9 - c.known {
						w.drop.add(message(100+i, 100))
					}
					var got []string
					news, old := &daily{batches: 99}, &daily{batches: 99}
					w.sync(Leave, func(p *Pass) {
						asked(&got).at(p)
						p.Left, p.Newest, p.Budget, p.History = c.left, c.newest, news, old
						p.Connections = 1
					})
					want := c.pop3
					if k == imap {
						want = c.imap // each batch by rising UIDs
					}
					if s := strings.Join(got, " "); s != want || old.granted != c.history || news.granted != 9-c.known-c.history {
						t.Errorf("got %s, %d from the history's budget, %d from the other; want %s, %d", s, old.granted, news.granted, want, c.history)
					}
					w.arrived(Leave)
				})
			})
		}
	}
}

// TestHistoryOutOfBudgetHoldsUpNoNewMail, not even what comes while the pass runs.
func TestHistoryOutOfBudgetHoldsUpNoNewMail(t *testing.T) {
	for _, k := range []kind{pop3, imap} {
		for _, wait := range []time.Duration{30 * time.Second, 5 * time.Hour} {
			t.Run(fmt.Sprint(k, "/", wait), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := numbers(t, k, 1)
					w.sync(Leave)
					for i := range 8 {
						w.drop.add(message(100+i, 100))
					}
					var got []string
					rep, err := w.live(t.Context(), &life{mutate: func(p *Pass) {
						asked(&got).at(p)
						p.Left, p.History, p.Connections = 5, &stingy{until: wait}, 1
					}}, Leave)
					f, _ := mail.AsFault(err)
					if short := wait < maxShortWait; short != (err == nil) || !short && f.Code != "out_of_budget" {
						t.Errorf("got %v", err)
					}
					if len(got) < 2 || got[0] != "789" || got[1] != "23" {
						t.Errorf("asked for %v, want new mail first", got)
					}
					if err != nil && (rep.Left != 3 || rep.LeftBytes < 300 || rep.Digest != (mail.Key{})) {
						t.Errorf("got %+v, want 3 left and no digest", rep)
					}
				})
			})
		}
	}
}

// TestNewMailAtWhichTheConnectionBrokeDoesNotWaitForHistorysBudget: it goes
// last, and history before it gets no budget until tomorrow.
func TestNewMailAtWhichTheConnectionBrokeDoesNotWaitForHistorysBudget(t *testing.T) {
	for _, k := range []kind{pop3, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := numbers(t, k, 1)
				w.sync(Leave)
				for i := range 4 {
					w.drop.add(message(100+i, 100))
				}
				breaks := once(lost())
				w.drop.cut = func(ref mail.Ref) (int, bool) { return 10, ref.Number == 4 && breaks() != nil }
				rep, err := w.live(t.Context(), &life{mutate: func(p *Pass) {
					p.Left, p.History = 2, &daily{}
				}}, Leave)
				if f, _ := mail.AsFault(err); f == nil || f.Code != "out_of_budget" || rep.Imported != 2 || rep.Left != 2 {
					t.Errorf("got %+v, %v; want the new ones imported, two left", rep, err)
				}
			})
		})
	}
}

// TestWhatCameBeforeTheBudgetRanOutIsDeleted in the same session.
func TestWhatCameBeforeTheBudgetRanOutIsDeleted(t *testing.T) {
	for _, k := range []kind{pop3, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := numbers(t, k, 1)
				w.sync(Delete)
				for i := range 5 {
					w.drop.add(message(100+i, 100))
				}
				rep, err := w.live(t.Context(), &life{mutate: func(p *Pass) {
					(&flights{}).at(p) // they end after the refusal
					p.Budget, p.Connections = &stingy{until: 5 * time.Hour}, 1
				}}, Delete)
				if err == nil || rep.Imported != 2 || len(w.drop.mails) != 3 {
					t.Errorf("got %+v, %v; %d messages at the source, want 3", rep, err, len(w.drop.mails))
				}
			})
		})
	}
}

// TestMailThatComesDuringALongPassIsNew: a session ends, and the next listing
// shows it.
func TestMailThatComesDuringALongPassIsNew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := numbers(t, pop3, 8)
		var got []string
		server := asked(&got)
		server.quit = func(quit func() error) error {
			if server.dials == 1 {
				w.drop.add(message(100, 100))
			}
			return quit()
		}
		w.sync(Leave, func(p *Pass) {
			server.at(p)
			p.History = &stingy{until: 30 * time.Second}
		})
		if want := []string{"12", "9", "34", "56", "78"}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
		w.arrived(Leave)
	})
}

// TestALongImportOfHistoryLooksForNewMail: on IMAP one session could last for
// days.
func TestALongImportOfHistoryLooksForNewMail(t *testing.T) {
	for _, connections := range []int{1, 2} {
		t.Run(fmt.Sprint(connections, " connections"), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, imap)
				for i := range 40 {
					w.drop.add(message(i, window+1000)) // streamed, one after the other
				}
				begin, after := time.Now(), time.Duration(0)
				w.sync(Leave, func(p *Pass) {
					p.Connections, p.Parallel = connections, 2
					p.Gmail = oddGmail{Importer: p.Gmail, put: func(ctx context.Context, c mail.Chunk) error {
						if c.Length < 1000 {
							after = time.Since(begin)
						}
						return sleep(ctx, time.Minute)
					}}
					time.AfterFunc(time.Minute, func() { w.drop.add(message(100, 300)) })
				})
				if after > maxListing+5*time.Minute {
					t.Errorf("new mail was imported after %v", after)
				}
				w.arrived(Leave)
			})
		})
	}
}

// TestSeveralFoldersAreMergedByDate: what is new in one may be listed before
// the backlog of another.
func TestSeveralFoldersAreMergedByDate(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2024, 1, n, 0, 0, 0, 0, time.UTC) }
	todo := func() []*job {
		return []*job{
			{ref: mail.Ref{Folder: "A", UID: 1, Date: day(1)}}, {ref: mail.Ref{Folder: "A", UID: 2, Date: day(99)}},
			{ref: mail.Ref{Folder: "B", UID: 3, Date: day(2)}}, {ref: mail.Ref{Folder: "B", UID: 4, Date: day(70)}},
			{ref: mail.Ref{Folder: "B", UID: 5, Date: day(98)}},
		}
	}
	for _, c := range []struct {
		left   int
		newest bool
		want   string
	}{
		{3, false, "25 134"},
		{3, true, "25 413"}, // month by month, and then folder by folder
		{5, true, " 25413"},
	} {
		jobs := todo()
		r := &run{Pass: Pass{Left: c.left, Newest: c.newest}, known: newIndex(nil)}
		r.order(jobs)
		var got strings.Builder
		for i, j := range jobs {
			if j.history && (i == 0 || !jobs[i-1].history) {
				got.WriteString(" ")
			}
			got.WriteString(fmt.Sprint(j.ref.UID))
		}
		if got.String() != c.want {
			t.Errorf("left %d, newest %v: got %q, want %q", c.left, c.newest, got.String(), c.want)
		}
	}
}

func TestSuspectsGoLast(t *testing.T) {
	jobs := []*job{{id: mail.Key{1}}, {id: mail.Key{2}}, {id: mail.Key{3}}, {id: mail.Key{4}}}
	r := &run{Pass: Pass{Left: 2}, known: newIndex(nil), suspects: map[mail.Key]int64{{1}: 0, {3}: 0}}
	r.order(jobs)
	got := []mail.Key{jobs[0].id, jobs[1].id, jobs[2].id, jobs[3].id}
	if want := []mail.Key{{4}, {2}, {1}, {3}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !jobs[2].history || jobs[3].history {
		t.Error("a suspect has changed its kind")
	}
}

func TestTheBacklogIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := numbers(t, pop3, 8)
		var size int64
		for _, m := range w.drop.mails {
			size += int64(len(m.raw))
		}
		var events []Event
		var mu sync.Mutex
		w.drop.cut = func(ref mail.Ref) (int, bool) { return 10, ref.Number == 2 }
		rep, err := w.live(t.Context(), &life{mutate: func(p *Pass) {
			p.Parallel = 1
			p.Progress = func(e Event) { mu.Lock(); events = append(events, e); mu.Unlock() }
		}}, Leave)
		if err != nil || rep.Left != 1 || rep.LeftBytes != int64(len(w.drop.mails[1].raw)) {
			t.Errorf("got %+v, %v; want one left", rep, err)
		}
		if e := events[0]; e.Listed != 8 || e.ToDo != 8 || e.ToDoBytes != size {
			t.Errorf("the listing says %+v, want 8 to do, %d octets", e, size)
		}
		if e := events[len(events)-1]; e.ToDo != 0 || e.ToDoBytes != 0 {
			t.Errorf("the last event says %+v, want nothing to do", e)
		}
	})
}

func TestABacklogIsKeptWhereNoListingWasRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := numbers(t, pop3, 1)
		rep, err := w.live(t.Context(), &life{mutate: func(p *Pass) {
			p.Left, p.LeftBytes, p.Dialer = 7, 700, unreachable{}
		}}, Leave)
		if err == nil || rep.Left != 7 || rep.LeftBytes != 700 {
			t.Errorf("got %+v, %v", rep, err)
		}
	})
}

type unreachable struct{}

func (unreachable) Dial(context.Context) (Source, error) { return nil, lost() }
