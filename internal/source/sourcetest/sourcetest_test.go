package sourcetest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// harness serves a Memory whose sessions go through bend.
func harness(pop bool, bend func(Source) Source) Harness {
	return Harness{
		DeletesAtClose: pop, Seen: true, NUL: true,
		Serve: func(_ *testing.T, messages [][]byte) Mailbox {
			m := NewMemory(messages...)
			m.DeletesAtClose, m.Password = pop, "right"
			return Mailbox{
				Password: "right",
				Dial: func(ctx context.Context, _, password string) (Source, error) {
					s, err := m.Dial(ctx, password)
					if err != nil {
						return nil, err
					}
					return bend(s), nil
				},
				Remove:   func(i int) error { m.Remove(i); return nil },
				Messages: func() ([][]byte, error) { return m.Messages(), nil },
			}
		},
	}
}

func straight(s Source) Source { return s }

func TestMemoryPassesTheSuite(t *testing.T) {
	for _, pop := range []bool{false, true} {
		t.Run(fmt.Sprintf("pop=%v", pop), func(t *testing.T) { Run(t, harness(pop, straight)) })
	}
}

// Sources with one fault each, and the case that must notice.
type (
	shuffled   struct{ Source } // lists newest first
	forgetful  struct{ Source } // leaves one out of the listing
	nameless   struct{ Source } // gives no ids
	shortBody  struct{ Source } // loses the last octet
	unstuffed  struct{ Source } // takes a dot from every body
	outOfOrder struct{ Source } // answers a batch backwards
	greedy     struct{ Source } // deletes everything
	lazy       struct{ Source } // deletes nothing
	marking    struct{ Source } // marks as seen what it fetches
	quiet      struct{ Source } // leaves a vanished message out
	brittle    struct{ Source } // ends the batch at a vanished message
	headless   struct{ Source } // cuts headers short
)

func (s shuffled) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		refs, _ := list(ctx, s.Source)
		for i := range refs {
			if !yield(refs[len(refs)-1-i], nil) {
				return
			}
		}
	}
}

func (s forgetful) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		for r := range s.Source.List(ctx) {
			if r.Number != 3 && !yield(r, nil) {
				return
			}
		}
	}
}

func (s nameless) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		for r := range s.Source.List(ctx) {
			r.UID = 0
			if !yield(r, nil) {
				return
			}
		}
	}
}

// bent passes a batch through f.
func bent(seq iter.Seq2[*mail.Incoming, error], f func(*mail.Incoming)) iter.Seq2[*mail.Incoming, error] {
	return func(yield func(*mail.Incoming, error) bool) {
		for in, err := range seq {
			if err == nil {
				f(in)
			}
			if !yield(in, err) {
				return
			}
		}
	}
}

func (s shortBody) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return bent(s.Source.Fetch(ctx, refs), func(in *mail.Incoming) {
		in.Body, in.Size = io.LimitReader(in.Body, in.Size-1), -1
	})
}

func (s unstuffed) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return bent(s.Source.Fetch(ctx, refs), func(in *mail.Incoming) {
		in.Body, in.Size = undot{in.Body}, -1
	})
}

type undot struct{ io.Reader }

func (u undot) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	k := 0
	for _, c := range p[:n] {
		if c != '.' {
			p[k] = c
			k++
		}
	}
	return k, err
}

func (s outOfOrder) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	back := make([]mail.Ref, len(refs))
	for i := range refs {
		back[len(refs)-1-i] = refs[i]
	}
	return s.Source.Fetch(ctx, back)
}

func (s greedy) Delete(ctx context.Context, _ []mail.Ref) error {
	refs, _ := list(ctx, s.Source)
	return s.Source.Delete(ctx, refs)
}

func (lazy) Delete(context.Context, []mail.Ref) error { return nil }

func (s marking) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return bent(s.Source.Fetch(ctx, refs), func(in *mail.Incoming) { _ = s.MarkSeen(ctx, []mail.Ref{in.Ref}) })
}

func (s quiet) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return func(yield func(*mail.Incoming, error) bool) {
		for in, err := range s.Source.Fetch(ctx, refs) {
			if err == nil && !yield(in, nil) {
				return
			}
		}
	}
}

func (s brittle) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return func(yield func(*mail.Incoming, error) bool) {
		for in, err := range s.Source.Fetch(ctx, refs) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(in, nil) {
				return
			}
		}
	}
}

func (s headless) Header(ctx context.Context, ref mail.Ref) (*mail.Header, error) {
	h, err := s.Source.Header(ctx, ref)
	if err != nil {
		return nil, err
	}
	return mail.ParseHeader(h.Raw()[:len(h.Raw())/2]), nil
}

func TestSuiteNoticesEveryFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule string
		bend func(Source) Source
	}{
		{"ListIsCompleteAndInOrder", func(s Source) Source { return shuffled{s} }},
		{"ListIsCompleteAndInOrder", func(s Source) Source { return forgetful{s} }},
		{"ListIsCompleteAndInOrder", func(s Source) Source { return nameless{s} }},
		{"BodiesAreByteExact", func(s Source) Source { return shortBody{s} }},
		{"BodiesAreByteExact", func(s Source) Source { return unstuffed{s} }},
		{"BodiesAreByteExactOneByOne", func(s Source) Source { return unstuffed{s} }},
		{"SmallReadsAreByteExact", func(s Source) Source { return shortBody{s} }},
		{"FetchOfManyKeepsOrder", func(s Source) Source { return outOfOrder{s} }},
		{"FetchOfSomeSkipsTheOthers", func(s Source) Source { return outOfOrder{s} }},
		{"AbandonedBodyKeepsTheSessionInStep", func(s Source) Source { return outOfOrder{s} }},
		{"DeleteRemovesExactlyThose", func(s Source) Source { return greedy{s} }},
		{"DeleteRemovesExactlyThose", func(s Source) Source { return lazy{s} }},
		{"CloseWithoutDeleteRemovesNothing", func(s Source) Source { return greedy{s} }},
		{"FetchDoesNotMarkSeen", func(s Source) Source { return marking{s} }},
		{"VanishedMessageIsUndelivered", func(s Source) Source { return quiet{s} }},
		{"VanishedMessageIsUndelivered", func(s Source) Source { return brittle{s} }},
		{"HeaderIsThePrefixOfTheBody", func(s Source) Source { return headless{s} }},
		{"LargeHeaderIsCutAndSaysSo", func(s Source) Source { return headless{s} }},
	} {
		t.Run(fmt.Sprintf("%s/%T", c.rule, c.bend(nil)), func(t *testing.T) {
			t.Parallel()
			if err := runOne(t, c.rule, harness(false, straight)); err != nil {
				t.Fatalf("the case fails without the fault: %v", err)
			}
			if err := runOne(t, c.rule, harness(false, c.bend)); err == nil {
				t.Errorf("the case passes a source with the fault")
			} else {
				t.Logf("noticed: %.120v", err)
			}
		})
	}
}

func runOne(t *testing.T, name string, h Harness) error {
	for _, c := range cases {
		if c.name == name {
			messages := c.messages(h)
			box := h.Serve(t, messages)
			return c.run(t.Context(), &world{h: h, box: box, sent: messages})
		}
	}
	t.Fatalf("no case %s", name)
	return nil
}
