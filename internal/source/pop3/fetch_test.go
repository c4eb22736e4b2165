package pop3_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

func TestTruncatedMessageEndsTheSource(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{CutRetr: 500}, mails(3)...).open(t)
	refs := list(t, s)
	bodies, ends := 0, 0
	for in, err := range s.Fetch(t.Context(), refs) {
		if in == nil {
			wantFault(t, err, mail.Transient, "cut")
			ends++
			continue
		}
		bodies++
		if _, err := io.Copy(io.Discard, in.Body); !errors.Is(err, io.ErrUnexpectedEOF) || mail.ClassOf(err) != mail.Transient {
			t.Errorf("truncated body ended with %v", err)
		}
	}
	if bodies != 1 || ends != 1 {
		t.Errorf("%d bodies and %d ends, want one each", bodies, ends)
	}
	if err := listErr(t, s); err == nil {
		t.Error("a Source whose connection was cut goes on")
	}
}

func TestOneRefusedMessageDoesNotStopTheBatch(t *testing.T) {
	t.Parallel()
	msgs := mails(40)
	for name, f := range map[string]pop3d.Faults{
		"pipelined":  {RefuseRetr: map[int]bool{1: true, 20: true, 40: true}},
		"one by one": {RefuseRetr: map[int]bool{1: true, 20: true, 40: true}, NoPipelining: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3.TLS, f, msgs...).open(t)
			i := 0
			for in, err := range s.Fetch(t.Context(), list(t, s)) {
				if in == nil || in.Ref.Number != i+1 || in.Size != -1 {
					t.Fatalf("answer %d: %+v, %v", i, in, err)
				}
				if f.RefuseRetr[i+1] {
					wantFault(t, err, mail.Undelivered, "not_delivered")
				} else if got, err := io.ReadAll(in.Body); err != nil || !bytes.Equal(got, msgs[i]) {
					t.Fatalf("message %d: %d octets, %v", i+1, len(got), err)
				}
				i++
			}
			if i != len(msgs) {
				t.Errorf("%d answers, want %d", i, len(msgs))
			}
		})
	}
}

func TestGivingUpALargeMessageEndsTheSourceAndSaysSo(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{}, sized(3<<20)).open(t)
	refs := list(t, s)
	for in := range s.Fetch(t.Context(), refs) {
		_, _ = io.CopyN(io.Discard, in.Body, 100)
		break
	}
	wantFault(t, listErr(t, s), mail.Transient, "reconnect")
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("close: %v; nothing was to be deleted", err)
	}
}

func TestGivingUpIsCheapAlsoWhenTheSizesAreLies(t *testing.T) {
	t.Parallel()
	lies := pop3d.Faults{List: func(n int, _ int64) string { return string(rune('0'+n)) + " 10" }}
	s := start(t, pop3.TLS, lies, mails(1)[0], sized(8<<20), mails(1)[0]).open(t)
	for range s.Fetch(t.Context(), list(t, s)) {
		break
	}
	wantFault(t, listErr(t, s), mail.Transient, "reconnect")
}

func TestAbandonedBodyNeverLooksComplete(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{}, mails(2)...).open(t)
	var first io.Reader
	for in, err := range s.Fetch(t.Context(), list(t, s)) {
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = in.Body
			continue
		}
		if n, err := first.Read(make([]byte, 10)); n != 0 || err == io.EOF || err == nil {
			t.Errorf("body of the message before gave %d octets, %v", n, err)
		}
	}
}

func TestServerWithBareLineFeeds(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{BareLF: true}, mails(3)...).open(t)
	if got := len(list(t, s)); got != 3 {
		t.Errorf("%d messages, want 3", got)
	}
}

func TestFragmentsOfEverySizeStayInStep(t *testing.T) {
	t.Parallel()
	msgs := [][]byte{[]byte("A: b\r\n\r\n.\r\n..\r\n"), mails(1)[0], {}, []byte("a\x00b\r\n" + strings.Repeat("x", 1<<10) + "\r\n")}
	for size := 1; size <= 7; size++ {
		f := pop3d.Faults{Write: func(p []byte, write func([]byte) (int, error)) (int, error) {
			for n := 0; n < len(p); n += size {
				if _, err := write(p[n:min(n+size, len(p))]); err != nil {
					return n, err
				}
			}
			return len(p), nil
		}}
		s := start(t, pop3.TLS, f, msgs...).open(t)
		wantBodies(t, s, list(t, s), msgs...)
	}
}

func TestDeletionsAreCarriedOutAtCloseAndItsErrorMeansTheyWereNot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		faults pop3d.Faults
		fails  bool
		left   int
	}{
		"good":                    {pop3d.Faults{}, false, 1},
		"one by one":              {pop3d.Faults{NoPipelining: true}, false, 1},
		"QUIT refused":            {pop3d.Faults{Replies: map[string]string{"QUIT": "-ERR disk full"}}, true, 3},
		"line cut at QUIT":        {pop3d.Faults{CutAt: "QUIT"}, true, 3},
		"nonsense":                {pop3d.Faults{Replies: map[string]string{"QUIT": ""}}, true, 3},
		"deletions not done":      {pop3d.Faults{KeepDeleted: true}, false, 3}, // Yandex: the next listing shows them again
		"TLS closed after answer": {pop3d.Faults{CutAfter: "QUIT"}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := start(t, pop3.TLS, tc.faults, mails(3)...)
			s := srv.open(t)
			if err := s.Delete(t.Context(), list(t, s)[:2]); err != nil {
				t.Fatal(err)
			}
			if srv.drop.Len() != 3 {
				t.Fatal("deleted before QUIT")
			}
			err := s.Close(t.Context())
			if tc.fails {
				wantFault(t, err, mail.Transient, "delete_failed")
			} else if err != nil {
				t.Fatal(err)
			}
			if got := srv.drop.Len(); got != tc.left {
				t.Errorf("%d messages left, want %d", got, tc.left)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Errorf("second close: %v", err)
			}
			wantFault(t, listErr(t, s), mail.Transient, "closed")
		})
	}
}

func TestRefusedQuitIsNothingWhereNothingWasDeleted(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{CutAt: "QUIT"}, mails(1)...).open(t)
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestDeleteOfAMissingMessageSaysSoAndMarksTheOthers(t *testing.T) {
	t.Parallel()
	srv := start(t, pop3.TLS, pop3d.Faults{}, mails(3)...)
	s := srv.open(t)
	refs := list(t, s)
	err := s.Delete(t.Context(), []mail.Ref{refs[0], {Number: 9}, refs[2]})
	wantFault(t, err, mail.Transient, "delete_failed")
	if err := s.Close(t.Context()); err != nil || srv.drop.Len() != 1 {
		t.Errorf("close: %v, %d messages left, want 1", err, srv.drop.Len())
	}
}

func TestMarkSeenIsASetupFault(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{}).open(t)
	wantFault(t, s.MarkSeen(t.Context(), nil), mail.Setup, "no_seen_flag")
}

func TestHeadersComeInOrderPipelinedOrNot(t *testing.T) {
	t.Parallel()
	msgs := mails(40)
	for name, f := range map[string]pop3d.Faults{
		"pipelined":            {RefuseRetr: map[int]bool{3: true}},
		"one by one":           {RefuseRetr: map[int]bool{3: true}, NoPipelining: true},
		"by RETR":              {RefuseRetr: map[int]bool{3: true}, NoTop: true},
		"TOP fails":            {RefuseRetr: map[int]bool{3: true}, NoPipelining: true, Replies: map[string]string{"TOP": "-ERR broken"}},
		"TOP sends everything": {RefuseRetr: map[int]bool{3: true}, WholeTop: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3.TLS, f, msgs...).open(t)
			refs := list(t, s)
			i := 0
			for h, err := range s.Headers(t.Context(), refs) {
				if i++; i == 3 {
					wantFault(t, err, mail.Undelivered, "not_delivered")
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				want := mail.ParseHeader(msgs[i-1])
				if !bytes.Equal(h.Raw(), want.Raw()) || h.Truncated() {
					t.Fatalf("header %d: %d octets, want %d", i, len(h.Raw()), len(want.Raw()))
				}
			}
			if i != len(msgs) {
				t.Errorf("%d headers, want %d", i, len(msgs))
			}
			for range s.Headers(t.Context(), refs[:20]) {
				break
			}
			wantBodies(t, s, refs[:1], msgs[0])
		})
	}
}

func TestHeaderWithoutTopOfALargeMessageEndsTheSourceAndSaysSo(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{NoTop: true}, sized(3<<20)).open(t)
	h, err := s.Header(t.Context(), list(t, s)[0])
	if err != nil || h.Get("From") != "a@big.example" {
		t.Fatalf("got %v, %v", h, err)
	}
	wantFault(t, listErr(t, s), mail.Transient, "reconnect")
}

// Not parallel: it measures. A message passes through buffers that exist
// already, whatever its size.
func TestLargeMessageAllocatesNextToNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates on its own account")
	}
	const size = 40 << 20
	s := start(t, pop3.TLS, pop3d.Faults{}, mails(1)[0])
	raw, err := io.ReadAll(testkit.Big(size, 1))
	if err != nil {
		t.Fatal(err)
	}
	s.drop.Add(raw)
	src := s.open(t)
	refs := list(t, src)
	buf := make([]byte, 256<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var n int64
	for in, err := range src.Fetch(t.Context(), refs[1:]) {
		if err != nil {
			t.Fatal(err)
		}
		for {
			k, err := in.Body.Read(buf)
			n += int64(k)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc // the server's share is in it
	t.Logf("%d octets read, %d KiB allocated by client and server", n, allocated>>10)
	if n != int64(len(raw)) || allocated > 1<<20 {
		t.Errorf("%d octets with %d octets allocated, want %d with less than 1 MiB", n, allocated, len(raw))
	}
}
