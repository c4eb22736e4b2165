package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// stuff is RFC 1939 3 written once more, the slow way, as the truth to
// compare with.
func stuff(msg []byte) []byte {
	var out []byte
	for i, c := range msg {
		if c == '.' && (i == 0 || i >= 2 && msg[i-2] == '\r' && msg[i-1] == '\n') {
			out = append(out, '.')
		}
		out = append(out, c)
	}
	if !bytes.HasSuffix(out, []byte("\r\n")) && len(out) > 0 {
		out = append(out, "\r\n"...)
	}
	return append(out, ".\r\n"...)
}

func readBody(r *bufio.Reader, bareLF bool) (string, error) {
	got, err := io.ReadAll(&body{r: r, bareLF: bareLF})
	return string(got), err
}

func TestBodyUndoesDotStuffingAndNothingElse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	for name, tc := range map[string]struct {
		wire   string
		bareLF bool
		want   string
	}{
		"empty":                       {wire: ".\r\n"},
		"one line":                    {wire: "a\r\n.\r\n", want: "a\r\n"},
		"stuffed dots":                {wire: "..\r\n...a\r\nb.\r\n..\r\n.\r\n", want: ".\r\n..a\r\nb.\r\n.\r\n"},
		"dot that was not stuffed":    {wire: ".a\r\n.\r\n", want: "a\r\n"},
		"dot, CR, no LF":              {wire: "..\ra\r\n.\r\n", want: ".\ra\r\n"},
		"LF . LF is mail":             {wire: "a\n.\nb\r\n.\r\n", want: "a\n.\nb\r\n"},
		"LF . CRLF is mail":           {wire: "a\n.\r\nb\r\n.\r\n", want: "a\n.\r\nb\r\n"},
		"CRLF . LF is no end":         {wire: "a\r\n.\nb\r\n.\r\n", want: "a\r\n\nb\r\n"},
		"bare LF server":              {wire: "a\n..\nb\n.\n", bareLF: true, want: "a\n.\nb\n"},
		"bare LF server, CRLF at end": {wire: "a\n.\r\n", bareLF: true, want: "a\n"},
		"CR CR LF":                    {wire: "a\r\r\n..\r\n.\r\n", want: "a\r\r\n.\r\n"},
		"NUL and 8 bit":               {wire: "\x00\xff.\x00\r\n.\r\n", want: "\x00\xff.\x00\r\n"},
		"line of 1 MiB":               {wire: long + "\r\n.." + long + "\r\n.\r\n", want: long + "\r\n." + long + "\r\n"},
		"byte order mark is mail":     {wire: "\xEF\xBB\xBFA: b\r\n\r\n\xEF\xBB\xBF\r\n.\r\n", want: "\xEF\xBB\xBFA: b\r\n\r\n\xEF\xBB\xBF\r\n"},
		"EF that is no mark":          {wire: "\xEF\r\n.\r\n", want: "\xEF\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const next = "+OK next\r\n"
			for _, r := range []io.Reader{
				strings.NewReader(tc.wire + next),
				iotest.OneByteReader(strings.NewReader(tc.wire + next)),
			} {
				br := bufio.NewReaderSize(r, 4096)
				got, err := readBody(br, tc.bareLF)
				if err != nil || got != tc.want {
					t.Fatalf("got %.60q, %v; want %.60q", got, err, tc.want)
				}
				if rest, err := br.ReadString('\n'); err != nil || rest != next {
					t.Fatalf("out of step: next line is %q, %v", rest, err)
				}
			}
		})
	}
}

func TestBodyThatBreaksOffIsNeverComplete(t *testing.T) {
	t.Parallel()
	const wire = "\xEF\xBB\xBFSubject: x\r\n\r\n..\r\nbody\r\n.\r\n"
	for n := range len(wire) {
		_, err := readBody(bufio.NewReader(strings.NewReader(wire[:n])), false)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d octets: got %v, want unexpected EOF", n, err)
		}
	}
}

// fragments cuts a stream into reads of 1 to 7 octets.
type fragments struct {
	r   io.Reader
	rng *rand.Rand
}

func (f fragments) Read(p []byte) (int, error) {
	return f.r.Read(p[:min(len(p), 1+f.rng.IntN(7))])
}

// randomMessage is dense in everything that matters to the reader.
func randomMessage(rng *rand.Rand) []byte {
	const alphabet = "\r\n.\r\n.\r\na\x00\xEF\xBB\xBF"
	msg := make([]byte, rng.IntN(60))
	for i := range msg {
		msg[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return msg
}

func TestRandomMessagesInFragmentsStayInStep(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 20_000 {
		var wire []byte
		var want [][]byte
		for range 1 + rng.IntN(3) {
			msg := randomMessage(rng)
			wire = append(wire, stuff(msg)...)
			if len(msg) > 0 && !bytes.HasSuffix(msg, []byte("\r\n")) {
				msg = append(msg, "\r\n"...)
			}
			want = append(want, msg)
		}
		br := bufio.NewReaderSize(fragments{bytes.NewReader(wire), rng}, 16)
		for i, w := range want {
			got, err := io.ReadAll(fragments{&body{r: br}, rng})
			if err != nil || !bytes.Equal(got, w) {
				t.Fatalf("seed %d, message %d of wire %q: got %q, %v; want %q", seed, i, wire, got, err, w)
			}
		}
		if _, err := br.ReadByte(); err != io.EOF {
			t.Fatalf("octets left over from %q", wire)
		}
	}
}

// FuzzBody: whatever a server sends, the reader gives out no more than came
// in, ends with EOF only behind an end mark, and does not depend on how the
// stream is cut.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"", ".\r\n", "..\r\n.\r\n", "a\r\n.\r\n+OK\r\n", "a\n.\n", "\xEF\xBB\xBF.\r\n", "\r\n.\r", "a\r\n.b\r\n.\r\n"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, bareLF bool) {
		whole := bufio.NewReader(bytes.NewReader(wire))
		got, err := readBody(whole, bareLF)
		pieces := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(wire)), 16)
		got2, err2 := readBody(pieces, bareLF)
		if got != got2 || !errors.Is(err2, err) {
			t.Fatalf("whole: %q, %v; in pieces: %q, %v", got, err, got2, err2)
		}
		rest, _ := io.ReadAll(whole)
		used := wire[:len(wire)-len(rest)]
		end := bytes.HasSuffix(used, []byte(".\r\n")) || bareLF && bytes.HasSuffix(used, []byte(".\n"))
		if err == nil && !end || len(got) > len(wire) {
			t.Fatalf("%d octets from %q, complete: %v", len(got), used, err == nil)
		}
	})
}

func BenchmarkBody(b *testing.B) {
	line := strings.Repeat("x", 76) + "\r\n"
	wire := strings.Repeat(line, 40<<20/len(line)) + ".\r\n"
	b.SetBytes(int64(len(wire)))
	for b.Loop() {
		bd := body{r: bufio.NewReaderSize(strings.NewReader(wire), 32<<10)}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, &bd, make([]byte, 256<<10)); err != nil {
			b.Fatal(err)
		}
	}
}
