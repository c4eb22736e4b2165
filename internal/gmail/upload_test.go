package gmail_test

import (
	"errors"
	"io"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestMessageArrivesByteForByteWithItsTerms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	b := message(5500)
	s, err := w.client.Open(t.Context(), mail.Upload{LabelIDs: []string{"INBOX", "STARRED"}, Size: int64(len(b)), ReceivedTime: true, NeverSpam: true, Calendar: true})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.RevealString()); n < 700 || n > 900 {
		t.Errorf("session URI has %d characters, want 700 to 900 as live ones", n)
	}
	a, err := w.client.Put(t.Context(), s, whole(b))
	done(t, a, err)
	w.exactlyOnce(t, b)
	m := w.Messages(user)[0]
	if m.ID != a.GmailID || m.InternalDateSource != "receivedTime" || !m.NeverMarkSpam || !m.Calendar || m.Deleted || len(m.Labels) != 2 || m.Labels[1] != "STARRED" {
		t.Errorf("stored = %+v", m)
	}
}

func TestOpenImportsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	w.open(t, 100)
	w.exactlyOnce(t)
}

// Facts 3.4, "Answers": one row each.
func TestChunkedUploadOfUnknownSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{align, align + 1, 2*align - 1, 2 * align, 3*align + 777} {
		w := newWorld(t, gmailtest.Options{})
		b := message(size)
		s := w.open(t, -1)
		at := 0
		for ; at+align < size; at += align {
			a, err := w.client.Put(t.Context(), s, part(b, at, at+align, -1))
			stored(t, a, err, int64(at+align))
		}
		a, err := w.client.Query(t.Context(), s, -1)
		stored(t, a, err, int64(at))
		a, err = w.client.Put(t.Context(), s, part(b, at, size, int64(size)))
		done(t, a, err)
		w.exactlyOnce(t, b)
	}
}

func TestUploadWhoseOctetsAreAllThereIsEndedByNamingTheTotal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	b := message(2 * align)
	s := w.open(t, -1)
	a, err := w.client.Put(t.Context(), s, part(b, 0, 2*align, -1))
	stored(t, a, err, 2*align) // all octets, and still not a message
	w.exactlyOnce(t)
	a, err = w.client.Put(t.Context(), s, mail.Chunk{Offset: 2 * align, Total: 2 * align})
	done(t, a, err)
	w.exactlyOnce(t, b)
}

func TestQueryWithTheTotalEndsItToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	b := message(align)
	s := w.open(t, -1)
	_, err := w.client.Put(t.Context(), s, part(b, 0, align, -1))
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.client.Query(t.Context(), s, align)
	done(t, a, err)
	w.exactlyOnce(t, b)
}

func TestNewSessionHasNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	a, err := w.client.Query(t.Context(), w.open(t, 100), 100)
	stored(t, a, err, 0)
}

func TestPartOfAChunkMayBeKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	b := message(2*align + 5)
	s := w.open(t, int64(len(b)))
	w.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Partial, Octets: 1000})
	a, err := w.client.Put(t.Context(), s, whole(b))
	stored(t, a, err, 1000)
	a, err = w.client.Put(t.Context(), s, part(b, 1000, len(b), int64(len(b))))
	done(t, a, err)
	w.exactlyOnce(t, b)
}

func TestCommittedMessageAnswersTheSameAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	b := message(5000)
	s := w.open(t, int64(len(b)))
	first, err := w.client.Put(t.Context(), s, whole(b))
	done(t, first, err)
	again, err := w.client.Put(t.Context(), s, whole(b))
	done(t, again, err)
	asked, err := w.client.Query(t.Context(), s, int64(len(b)))
	done(t, asked, err)
	unsure, err := w.client.Query(t.Context(), s, -1)
	done(t, unsure, err)
	if again != first || asked != first || unsure != first {
		t.Errorf("answers = %v, %v, %v, want all like %v", again, asked, unsure, first)
	}
	w.exactlyOnce(t, b)
}

// Everything that can be lost on the way of the last request. After each, the
// session knows the truth, and going on by it gives one copy.
func TestLostAnswerIsUnknownAndTheSessionKnows(t *testing.T) {
	t.Parallel()
	const size = 300_000
	for name, c := range map[string]struct {
		fault     gmailtest.Fault
		committed bool
		stored    int64
		code      string
	}{
		"cut before the body":     {gmailtest.Fault{Kind: gmailtest.Drop}, false, 0, "gmail_unreachable"},
		"cut during the body":     {gmailtest.Fault{Kind: gmailtest.DropAfter, Octets: 100_001}, false, 100_001, "gmail_unreachable"},
		"cut after the body":      {gmailtest.Fault{Kind: gmailtest.DropAfter, Octets: size - 1}, false, size - 1, "gmail_unreachable"},
		"cut after the commit":    {gmailtest.Fault{Kind: gmailtest.CommitThenDrop}, true, 0, "gmail_unreachable"},
		"503 at once":             {gmailtest.Fault{Kind: gmailtest.Answer, Status: 503}, false, 0, "gmail_unavailable"},
		"503 in the middle":       {gmailtest.Fault{Kind: gmailtest.AnswerAfter, Octets: 70_000, Status: 503}, false, 70_000, "gmail_unavailable"},
		"500 after all octets":    {gmailtest.Fault{Kind: gmailtest.ReadThenAnswer, Status: 500}, false, 0, "gmail_unavailable"},
		"502 after the commit":    {gmailtest.Fault{Kind: gmailtest.CommitThenAnswer, Status: 502}, true, 0, "gmail_unavailable"},
		"408 after the commit":    {gmailtest.Fault{Kind: gmailtest.CommitThenAnswer, Status: 408, Body: "<html>"}, true, 0, "gmail_unavailable"},
		"a portal answers 200":    {gmailtest.Fault{Kind: gmailtest.Answer, Status: 200, Body: "<html>please log in</html>"}, false, 0, "bad_answer"},
		"200 without an id":       {gmailtest.Fault{Kind: gmailtest.CommitThenAnswer, Status: 200, Body: `{"labelIds":[]}`}, true, 0, "bad_answer"},
		"200 with a strange id":   {gmailtest.Fault{Kind: gmailtest.CommitThenAnswer, Status: 200, Body: `{"id":"../x"}`}, true, 0, "bad_answer"},
		"200 cut off":             {gmailtest.Fault{Kind: gmailtest.CommitThenAnswer, Status: 200, Body: `{"id":"18f2`}, true, 0, "bad_answer"},
		"redirect":                {gmailtest.Fault{Kind: gmailtest.ReadThenAnswer, Status: 302, Header: map[string]string{"Location": "http://127.0.0.1:1/"}, Body: "x"}, false, 0, "gmail_unavailable"},
		"range beyond what went":  {gmailtest.Fault{Kind: gmailtest.ReadThenAnswer, Status: 308, Header: map[string]string{"Range": "bytes=0-300000"}, Body: " "}, false, 0, "bad_range"},
		"range without a start":   {gmailtest.Fault{Kind: gmailtest.ReadThenAnswer, Status: 308, Header: map[string]string{"Range": "bytes=5-9"}, Body: " "}, false, 0, "bad_range"},
		"range of garbage":        {gmailtest.Fault{Kind: gmailtest.ReadThenAnswer, Status: 308, Header: map[string]string{"Range": "bytes=0--1"}, Body: " "}, false, 0, "bad_range"},
		"range far beyond int64":  {gmailtest.Fault{Kind: gmailtest.ReadThenAnswer, Status: 308, Header: map[string]string{"Range": "0-99999999999999999999"}, Body: " "}, false, 0, "bad_range"},
		"strange 4xx after it":    {gmailtest.Fault{Kind: gmailtest.CommitThenAnswer, Status: 409, Body: "x"}, true, 0, "gmail_unavailable"},
		"bare 403 of a front end": {gmailtest.Fault{Kind: gmailtest.CommitThenAnswer, Status: 403, Body: "<html>"}, true, 0, "gmail_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, gmailtest.Options{})
			b := message(size)
			s := w.open(t, size)
			c.fault.At = gmailtest.Put
			w.Next(c.fault)
			_, err := w.client.Put(t.Context(), s, whole(b))
			wantFault(t, err, mail.Unknown, c.code)
			a, err := w.client.Query(t.Context(), s, size)
			if c.committed {
				done(t, a, err)
			} else {
				stored(t, a, err, c.stored)
				a, err = w.client.Put(t.Context(), s, part(b, int(a.Stored), size, size))
				done(t, a, err)
			}
			w.exactlyOnce(t, b)
		})
	}
}

func TestRangeIsReadWithAndWithoutUnit(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int64{"bytes=0-41": 42, "0-41": 42, "bytes=0-0": 1, "": 0} {
		w := newWorld(t, gmailtest.Options{})
		h := map[string]string{}
		if value != "" {
			h["Range"] = value
		}
		w.Next(gmailtest.Fault{At: gmailtest.Query, Kind: gmailtest.Answer, Status: 308, Header: h, Body: " "})
		a, err := w.client.Query(t.Context(), w.open(t, 100), 100)
		stored(t, a, err, want)
	}
}

func TestOverriddenStatusIs308(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	w.Next(gmailtest.Fault{At: gmailtest.Query, Kind: gmailtest.Answer, Status: 200, Body: `{"id":"x"}`,
		Header: map[string]string{"X-Http-Status-Code-Override": "308", "Range": "bytes=0-9"}})
	a, err := w.client.Query(t.Context(), w.open(t, 100), 100)
	stored(t, a, err, 10)
}

func TestSessionThatIsGone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 410, 499} {
		w := newWorld(t, gmailtest.Options{})
		s := w.open(t, 100)
		w.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Answer, Status: status, Body: "<html>"})
		a, err := w.client.Put(t.Context(), s, whole(message(100)))
		if err != nil || !a.Gone || a.Done {
			t.Errorf("%d: answer = %+v, %v, want gone", status, a, err)
		}
	}
	w := newWorld(t, gmailtest.Options{})
	s := w.open(t, 100)
	w.ExpireSessions()
	if a, err := w.client.Query(t.Context(), s, 100); err != nil || !a.Gone {
		t.Errorf("expired: answer = %+v, %v, want gone", a, err)
	}
}

// tornBody gives n octets and then err; with says whether it comes with the
// last of them.
type tornBody struct {
	n    int
	err  error
	with bool
}

func (b *tornBody) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, b.err
	}
	n := min(len(p), b.n)
	b.n -= n
	if b.n == 0 && b.with {
		return n, b.err
	}
	return n, nil
}

func TestTornMessageCommitsNothing(t *testing.T) {
	t.Parallel()
	sourceFault := &mail.Fault{Class: mail.Undelivered, Code: "retr_failed", Text: "the server broke off"}
	for name, c := range map[string]struct {
		body  *tornBody
		class mail.Class
		code  string
	}{
		"ends early":               {&tornBody{n: 4999, err: io.EOF}, mail.Transient, "message_torn"},
		"ends early, told at once": {&tornBody{n: 4999, err: io.EOF, with: true}, mail.Transient, "message_torn"},
		"is empty":                 {&tornBody{n: 0, err: io.EOF}, mail.Transient, "message_torn"},
		"breaks":                   {&tornBody{n: 10, err: io.ErrUnexpectedEOF}, mail.Transient, "message_torn"},
		"breaks with the last":     {&tornBody{n: 5000, err: io.ErrUnexpectedEOF, with: true}, mail.Transient, "message_torn"},
		"a fault of the source":    {&tornBody{n: 2500, err: sourceFault}, mail.Undelivered, "retr_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, factor := range []int{1, 20, 20} { // small ones are read before the request
				w := newWorld(t, gmailtest.Options{})
				if i == 2 {
					w = newTLSWorld(t)
				}
				body, size := *c.body, int64(5000*factor)
				body.n *= factor
				s := w.open(t, size)
				_, err := w.client.Put(t.Context(), s, mail.Chunk{Length: size, Total: size, Body: &body})
				f := wantFault(t, err, c.class, c.code)
				if c.class == mail.Transient && !errors.Is(f, f.Err) {
					t.Errorf("the cause is lost: %v", f.Err)
				}
				a, err := w.client.Query(t.Context(), s, size)
				stored(t, a, err, 0)
				w.exactlyOnce(t)
			}
		})
	}
}

func newTLSWorld(t *testing.T) *world {
	t.Helper()
	l, err := gmailtest.StartTLS(gmailtest.Options{}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return join(t, l, gmail.NewTransport(l.Roots))
}
