package imap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
)

func list(t testing.TB, s *imap.Source) []mail.Ref {
	t.Helper()
	refs, err := tryList(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

func tryList(ctx context.Context, s *imap.Source) (refs []mail.Ref, err error) {
	for ref, err := range s.List(ctx) {
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// take fetches and gives what came, one line for each: the UID and the body,
// or the code of the fault.
func take(ctx context.Context, s *imap.Source, refs []mail.Ref) (got []string, err error) {
	for in, err := range s.Fetch(ctx, refs) {
		if in == nil {
			return got, err
		}
		if f, ok := mail.AsFault(err); ok {
			got = append(got, fmt.Sprintf("%d %v", in.Ref.UID, f.Code))
			continue
		}
		b, err := io.ReadAll(in.Body)
		if err != nil {
			return got, err
		}
		if int64(len(b)) != in.Size {
			return got, fmt.Errorf("%d octets, %d announced", len(b), in.Size)
		}
		got = append(got, fmt.Sprintf("%d %.20s", in.Ref.UID, b))
	}
	return got, nil
}

func messages(bodies ...string) (out []imapd.ScriptMessage) {
	for i, b := range bodies {
		out = append(out, imapd.ScriptMessage{UID: uint32(i + 1), Body: b})
	}
	return out
}

// onBody answers UID FETCH of bodies; everything else goes its usual way.
func onBody(f func(w *imapd.Wire, c imapd.Command)) func(*imapd.Wire, imapd.Command) bool {
	return func(w *imapd.Wire, c imapd.Command) bool {
		if c.Name != "UID FETCH" || !strings.Contains(c.Args, "BODY.PEEK[]") {
			return false
		}
		f(w, c)
		return true
	}
}

func TestTruncatedLiteralIsNeverComplete(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("a whole message", "another"), On: onBody(func(w *imapd.Wire, _ imapd.Command) {
		w.Send("* 1 FETCH (UID 1 BODY[] {1000}\r\nonly this")
		w.Close()
	})}
	src := open(t, config(t, script(t, s), imap.TLS))
	refs := list(t, src)
	for in, err := range src.Fetch(t.Context(), refs) {
		if in == nil {
			if f := fault(t, err); f.Class != mail.Transient {
				t.Errorf("the batch ends with %v, want class Transient", f)
			}
			break
		}
		b, err := io.ReadAll(in.Body)
		if f := fault(t, err); f.Class != mail.Transient || f.Code != "cut" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %q: %v (code %s), want a cut", b, err, f.Code)
		}
	}
	if _, err := tryList(t.Context(), src); mail.ClassOf(err) != mail.Transient || err == nil {
		t.Errorf("the source goes on after a cut: %v", err)
	}
}

func TestSizesThatLieAreHintsOnly(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 3<<20)
	s := &imapd.Script{Messages: []imapd.ScriptMessage{
		{UID: 1, Body: huge, Size: 10},
		{UID: 2, Body: "small", Size: 5 << 30},
		{UID: 3, Body: "tiny", Size: 1<<63 - 1},
		{UID: 4, Body: ""},
		{UID: 5, Body: "last"},
	}}
	src := open(t, config(t, script(t, s), imap.TLS))
	got, err := take(t.Context(), src, list(t, src))
	want := []string{"1 " + huge[:20], "2 small", "3 tiny", "4 ", "5 last"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// A message that is larger than announced must not stand in the way for ever.
func TestMessageLargerThanAnnouncedArrives(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 3<<20)
	s := &imapd.Script{Messages: []imapd.ScriptMessage{{UID: 1, Body: huge, Size: 10}}}
	src := open(t, config(t, script(t, s), imap.TLS))
	got, err := take(t.Context(), src, list(t, src))
	if err != nil || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFlagUpdateInsteadOfTheBodyIsAskedForOnceMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		again bool // the second answer is no better
		want  []string
	}{
		"once":   {false, []string{"1 one", "3 three", "2 two"}},
		"always": {true, []string{"1 one", "3 three", "2 source_no_body"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			s := &imapd.Script{Messages: messages("one", "two", "three")}
			s.On = onBody(func(w *imapd.Wire, cmd imapd.Command) {
				asked++
				if asked == 1 || c.again {
					w.Send("* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n")
				}
				w.Default(cmd)
			})
			src := open(t, config(t, script(t, s), imap.TLS))
			got, err := take(t.Context(), src, list(t, src))
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
			if asked != 2 {
				t.Errorf("asked %d times, want 2", asked)
			}
		})
	}
}

func TestAnswersThatAreNotTheMessageAreNotDelivered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, want string }{
		"nothing":         {"", "2 source_gone"},
		"a bare UID":      {"* 2 FETCH (UID 2)\r\n", "2 source_gone"},
		"NIL":             {"* 2 FETCH (UID 2 BODY[] NIL)\r\n", "2 source_gone"},
		"another UID":     {"* 2 FETCH (UID 9 BODY[] {3}\r\nxyz)\r\n", "2 source_gone"},
		"UID afterwards":  {"* 2 FETCH (BODY[] {3}\r\nxyz UID 2)\r\n", "2 source_gone"},
		"the header only": {"* 2 FETCH (UID 2 BODY[HEADER] {3}\r\nxyz)\r\n", "2 source_no_body"},
		"a part":          {"* 2 FETCH (UID 2 BODY[]<0> {3}\r\nxyz)\r\n", "2 source_no_body"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &imapd.Script{Messages: messages("one", "two", "three")}
			s.On = onBody(func(w *imapd.Wire, cmd imapd.Command) {
				if strings.HasPrefix(cmd.Args, "1:3 ") {
					w.Send(s.Answer(0) + c.answer + s.Answer(2))
				} else {
					w.Send(c.answer)
				}
				w.OK(cmd)
			})
			src := open(t, config(t, script(t, s), imap.TLS))
			got, err := take(t.Context(), src, list(t, src))
			slices.Sort(got)
			if want := []string{"1 one", c.want, "3 three"}; err != nil || !slices.Equal(got, want) {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestQuotedBodyIsAMessageToo(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one")}
	s.On = onBody(func(w *imapd.Wire, cmd imapd.Command) {
		w.Send("* 1 FETCH (UID 1 BODY[] \"one\")\r\n")
		w.OK(cmd)
	})
	src := open(t, config(t, script(t, s), imap.TLS))
	got, err := take(t.Context(), src, list(t, src))
	if err != nil || !slices.Equal(got, []string{"1 one"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRefusedMessageDoesNotEndTheBatch(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one", "two", "three")}
	s.On = onBody(func(w *imapd.Wire, cmd imapd.Command) {
		set, _, _ := strings.Cut(cmd.Args, " ")
		if set == "1" || set == "3" {
			w.Default(cmd)
			return
		}
		w.Send(cmd.Tag + " NO cannot read message 2\r\n")
	})
	src := open(t, config(t, script(t, s), imap.TLS))
	got, err := take(t.Context(), src, list(t, src))
	if want := []string{"1 one", "2 source_refused", "3 three"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestByeDuringAFetchIsTransient(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one", "two")}
	s.On = onBody(func(w *imapd.Wire, _ imapd.Command) {
		w.Send(s.Answer(0) + "* BYE [UNAVAILABLE] shutting down\r\n")
		w.Close()
	})
	src := open(t, config(t, script(t, s), imap.TLS))
	got, err := take(t.Context(), src, list(t, src))
	if f := fault(t, err); f.Class != mail.Transient || !slices.Equal(got, []string{"1 one"}) {
		t.Errorf("got %q, then %v (class %v); want message 1, then Transient", got, f, f.Class)
	}
}

func TestHostileAnswersEndTheSourceAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"BODYSTRUCTURE without end": "* 1 FETCH (BODYSTRUCTURE " + strings.Repeat("(", 8<<20) + "\r\n",
		"line without end":          "* OK " + strings.Repeat("x", 8<<20),
		"literal outside a message": "* LIST () \"/\" {500000000}\r\n" + strings.Repeat("x", 8<<20),
		"literal larger than all":   "* 1 FETCH (UID 1 BODY[] {99999999999999}\r\n",
		"unknown response":          "* 1 NONSENSE\r\n",
		"unknown item":              "* 1 FETCH (UID 1 X-NONSENSE 5)\r\n",
		"tag of nobody":             "T99 OK done\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &imapd.Script{Messages: messages("one")}
			s.On = onBody(func(w *imapd.Wire, _ imapd.Command) { w.Send(answer) })
			src := open(t, config(t, script(t, s), imap.TLS))
			refs := list(t, src)
			began := time.Now()
			_, err := take(t.Context(), src, refs)
			if f := fault(t, err); f.Class != mail.Protocol {
				t.Errorf("%v (class %v, code %s), want class Protocol", f, f.Class, f.Code)
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestListingsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	item := func(uid int) string {
		return fmt.Sprintf("* %d FETCH (UID %d FLAGS () INTERNALDATE \"01-Jan-2024 00:00:00 +0000\" RFC822.SIZE 3)\r\n", max(uid, 1), uid)
	}
	for name, c := range map[string]struct {
		answer string
		want   []uint32 // nil: bad_listing
	}{
		"a UID twice":             {item(1) + item(1) + item(2), nil},
		"UID 0":                   {item(0) + item(1) + item(2), nil},
		"one without UID":         {item(1) + "* 2 FETCH (RFC822.SIZE 3)\r\n" + item(3), nil},
		"one left out":            {item(1) + item(3), nil},
		"descending":              {item(3) + item(2) + item(1), []uint32{1, 2, 3}},
		"one expunged":            {item(1) + item(3) + "* 2 EXPUNGE\r\n", []uint32{1, 3}},
		"one new":                 {item(1) + item(2) + item(3) + "* 4 EXISTS\r\n" + item(4), []uint32{1, 2, 3, 4}},
		"flags between":           {item(1) + "* 2 FETCH (FLAGS (\\Seen))\r\n" + item(2) + item(3), []uint32{1, 2, 3}},
		"flags before the answer": {item(1) + "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n" + item(2) + item(3), []uint32{1, 2, 3}},
		"a deleted one":           {item(1) + strings.Replace(item(2), "()", "(\\Deleted)", 1) + item(3), []uint32{1, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &imapd.Script{Messages: messages("one", "two", "six")}
			s.On = func(w *imapd.Wire, cmd imapd.Command) bool {
				if cmd.Name != "UID FETCH" || !strings.HasPrefix(cmd.Args, "1:* ") {
					return false
				}
				w.Send(c.answer)
				w.OK(cmd)
				return true
			}
			src := open(t, config(t, script(t, s), imap.TLS))
			refs, err := tryList(t.Context(), src)
			var uids []uint32
			for _, ref := range refs {
				uids = append(uids, ref.UID)
				if ref.Size != 3 {
					t.Errorf("%v has size %d, want 3", ref, ref.Size)
				}
			}
			if c.want == nil {
				if f := fault(t, err); f.Class != mail.Protocol || f.Code != "bad_listing" {
					t.Errorf("got %v and %v, want bad_listing", uids, f)
				}
			} else if err != nil || !slices.Equal(uids, c.want) {
				t.Errorf("got %v, %v; want %v", uids, err, c.want)
			}
		})
	}
}

func TestFolderWithoutUIDVALIDITYIsRefused(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{On: func(w *imapd.Wire, c imapd.Command) bool {
		if c.Name == "SELECT" {
			w.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 0] none\r\n")
			w.OK(c)
		}
		return c.Name == "SELECT"
	}}
	_, err := tryList(t.Context(), open(t, config(t, script(t, s), imap.TLS)))
	if f := fault(t, err); f.Class != mail.Protocol || f.Code != "bad_listing" {
		t.Errorf("got %v, want bad_listing", f)
	}
}

// The server answers the first group only when it has the second command: a
// client that waits for the answer first would never get it.
func TestSecondGroupIsAskedForBeforeTheFirstIsAnswered(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{}
	for i := range 150 {
		s.Messages = append(s.Messages, imapd.ScriptMessage{UID: uint32(2*i + 1), Body: fmt.Sprintf("message %d", i)})
	}
	var ahead int
	s.On = onBody(func(w *imapd.Wire, c imapd.Command) {
		if ahead == 0 {
			next, err := w.Next()
			if err != nil {
				return
			}
			ahead++
			w.Default(c)
			c = next
		}
		w.Default(c)
	})
	src := open(t, config(t, script(t, s), imap.TLS))
	refs := list(t, src)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := take(ctx, src, refs)
	if err != nil || len(got) != 150 {
		t.Fatalf("%d messages, %v; want 150", len(got), err)
	}
	for i, line := range got {
		if want := fmt.Sprintf("%d message %d", 2*i+1, i); line != want {
			t.Fatalf("answer %d is %q, want %q", i, line, want)
		}
	}
	fetches := 0
	for _, line := range s.Log() {
		if strings.Contains(line, "BODY.PEEK[]") {
			fetches++
		}
	}
	if fetches != 3 {
		t.Errorf("%d commands for 150 messages, want 3 groups of at most 64", fetches)
	}
}

// Dovecot ends pipelined commands together, after the answers of the last;
// RFC 9051 5.5 lets a server even answer them in another order. go-imap blocks
// on the first body that nobody takes.
func TestSecondCommandMayBeAnsweredBeforeTheFirstEnds(t *testing.T) {
	t.Parallel()
	for name, swapped := range map[string]bool{"together": false, "the other way round": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &imapd.Script{Messages: messages(strings.Repeat("a", 600<<10), strings.Repeat("b", 600<<10), strings.Repeat("c", 600<<10))}
			s.On = onBody(func(w *imapd.Wire, c imapd.Command) {
				if c.Args[:1] == "3" {
					w.Default(c)
					return
				}
				next, err := w.Next()
				if err != nil {
					return
				}
				first, second := s.Answer(0), s.Answer(1)
				if swapped {
					first, second = second, first
				}
				w.Send(first + second)
				w.OK(next)
				w.OK(c)
			})
			src := open(t, config(t, script(t, s), imap.TLS))
			refs := list(t, src)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			got, err := take(ctx, src, refs)
			slices.Sort(got)
			if err != nil || len(got) != 3 || !strings.HasPrefix(got[0], "1 a") || !strings.HasPrefix(got[1], "2 b") || !strings.HasPrefix(got[2], "3 c") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestAnyOrderOfRefsIsKept(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one", "two", "three")}
	src := open(t, config(t, script(t, s), imap.TLS))
	refs := list(t, src)
	got, err := take(t.Context(), src, []mail.Ref{refs[2], refs[0], refs[1], refs[1]})
	if want := []string{"3 three", "1 one", "2 two", "2 two"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestLeavingALargeBodyEndsTheSourceAtOnce(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages(strings.Repeat("x", 32<<20), "two")}
	src := open(t, config(t, script(t, s), imap.TLS))
	for in, err := range src.Fetch(t.Context(), list(t, src)) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, in.Body, 1000); err != nil {
			t.Fatal(err)
		}
		break
	}
	_, err := tryList(t.Context(), src)
	if f := fault(t, err); f.Class != mail.Transient || f.Code != "abandoned" {
		t.Errorf("got %v, want abandoned", f)
	}
	if err := src.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCancelledCallsSayWhy(t *testing.T) {
	t.Parallel()
	why := errors.New("drained")
	s := &imapd.Script{Messages: messages("one")}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.On = onBody(func(w *imapd.Wire, _ imapd.Command) { // never answers
		w.Send("* 1 FETCH (UID 1 BODY[] {1000}\r\nonly this")
		cancel(why)
	})
	src := open(t, config(t, script(t, s), imap.TLS))
	_, err := take(ctx, src, list(t, src))
	if f := fault(t, err); f.Class != mail.Transient || f.Code != "cancelled" || !errors.Is(err, why) {
		t.Errorf("got %v, want cancelled for the reason given", f)
	}
}

func TestFlagUpdateInsteadOfTheHeaderIsAskedForOnceMore(t *testing.T) {
	t.Parallel()
	asked := 0
	s := &imapd.Script{Messages: messages("one"), On: func(w *imapd.Wire, c imapd.Command) bool {
		if !strings.Contains(c.Args, "BODY.PEEK[HEADER]") {
			return false
		}
		if asked++; asked == 1 {
			w.Send("* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n")
		}
		w.Send("* 1 FETCH (UID 1 BODY[HEADER] {14}\r\nSubject: x\r\n\r\n)\r\n")
		w.OK(c)
		return true
	}}
	src := open(t, config(t, script(t, s), imap.TLS))
	h, err := src.Header(t.Context(), list(t, src)[0])
	if err != nil || h.Get("Subject") != "x" || asked != 2 {
		t.Errorf("got %v, %v after %d commands; want the header after 2", h, err, asked)
	}
}
