package gmail_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// guarded counts the reads of a body after its Put has returned.
type guarded struct {
	over  atomic.Bool
	late  atomic.Int64
	inner io.Reader
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.over.Load() {
		g.late.Add(1)
	}
	return g.inner.Read(p)
}

func TestBodyIsNotReadAfterAnEarlyAnswer(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*world{"http": newWorld(t, gmailtest.Options{}), "h2": newTLSWorld(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size = 8 << 20
			for range 20 {
				s := w.open(t, size)
				w.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.AnswerAfter, Octets: 100_000, Status: 503})
				g := &guarded{inner: io.LimitReader(zeros{}, size)}
				_, err := w.client.Put(t.Context(), s, mail.Chunk{Length: size, Total: size, Body: g})
				g.over.Store(true)
				wantClass(t, err, mail.Unknown)
				if _, err := w.client.Query(t.Context(), s, size); err != nil { // gives a late reader its time
					t.Fatal(err)
				}
				if n := g.late.Load(); n > 0 {
					t.Fatalf("body was read %d times after Put had returned", n)
				}
			}
		})
	}
}

func wantClass(t *testing.T, err error, class mail.Class) {
	t.Helper()
	if mail.ClassOf(err) != class {
		t.Fatalf("class = %d (%v), want %d", mail.ClassOf(err), err, class)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A kept-alive connection that Gmail has closed meanwhile must neither cost a
// message nor send one twice: net/http may repeat a question by itself, never
// a body.
func TestStaleConnectionNeverDoublesAMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, to: strings.TrimPrefix(w.URL, "http://")}
	go p.run()
	t.Cleanup(func() { _ = ln.Close() })
	tr := gmail.NewTransport(nil)
	t.Cleanup(tr.CloseIdleConnections)
	c, err := gmail.New(gmail.Options{APIURL: "http://" + ln.Addr().String(), Tokens: w.tokens, Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	b := message(5000)
	s, err := c.Open(t.Context(), mail.Upload{LabelIDs: []string{"INBOX"}, Size: 5000})
	if err != nil {
		t.Fatal(err)
	}
	// The proxy passes the whole request on and then takes the connection away
	// as a server does that closes an idle one: without an answer.
	p.swallow.Store(true)
	_, err = c.Put(t.Context(), s, whole(b))
	wantFault(t, err, mail.Unknown, "gmail_unreachable")
	if got := w.Stats().Requests[gmailtest.Put]; got != 1 {
		t.Errorf("the body was sent %d times by one Put, want once", got)
	}
	a, err := c.Query(t.Context(), s, 5000)
	done(t, a, err)
	w.exactlyOnce(t, b)

	// A question on a stale connection is asked again by net/http itself.
	p.swallow.Store(true)
	a, err = c.Query(t.Context(), s, 5000)
	done(t, a, err)
	p.swallow.Store(true)
	if _, err := c.Open(t.Context(), mail.Upload{Size: 1}); err != nil {
		t.Errorf("open on a stale connection: %v", err)
	}
}

// proxy passes connections on; once told to, it swallows the next answer and
// closes the connection instead.
type proxy struct {
	ln      net.Listener
	to      string
	swallow atomic.Bool
}

func (p *proxy) run() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			up, err := net.Dial("tcp", p.to)
			if err != nil {
				return
			}
			defer up.Close()
			go func() { _, _ = io.Copy(up, c) }()
			buf := make([]byte, 64<<10)
			for {
				n, err := up.Read(buf)
				if err != nil || p.swallow.CompareAndSwap(true, false) {
					return
				}
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

func TestExpiredTokenIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	const big = 100_000
	b := message(big)
	s := w.open(t, big)
	w.ExpireAccess(user)
	// A body that can be rewound is sent again.
	a, err := w.client.Put(t.Context(), s, mail.Chunk{Length: big, Total: big, Body: bytes.NewReader(b)})
	done(t, a, err)
	// So is a small one.
	b1 := message(5000)
	s = w.open(t, 5000)
	w.ExpireAccess(user)
	a, err = w.client.Put(t.Context(), s, whole(b1))
	done(t, a, err)
	// And Open.
	w.ExpireAccess(user)
	// One that cannot leaves it to the session; the new token is ready.
	b2 := append(message(big-1), 'x')
	s = w.open(t, big)
	w.ExpireAccess(user)
	_, err = w.client.Put(t.Context(), s, whole(b2))
	wantFault(t, err, mail.Unknown, "token_expired")
	a, err = w.client.Query(t.Context(), s, big)
	stored(t, a, err, 0)
	a, err = w.client.Put(t.Context(), s, whole(b2))
	done(t, a, err)
	if w.tokens.made != 5 {
		t.Errorf("access tokens made = %d, want 4", w.tokens.made)
	}
	w.exactlyOnce(t, b, b1, b2)
}

func TestSecondRefusedTokenNeedsTheUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	w.Next(gmailtest.Fault{At: gmailtest.Open, Kind: gmailtest.Answer, Status: 401, Times: -1,
		Body: `{"error":{"errors":[{"domain":"global","reason":"authError","message":"Invalid Credentials"}],"code":401,"message":"Invalid Credentials"}}`})
	_, err := w.client.Open(t.Context(), mail.Upload{Size: 1})
	wantFault(t, err, mail.Grant, "grant_unauthorized")
	if got := w.Stats().Requests[gmailtest.Open]; got != 2 {
		t.Errorf("requests = %d, want 2", got)
	}
}

func TestRevokedGrantIsPassedOnAndNothingIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	w.tokens.err = &mail.Fault{Class: mail.Revoked, Code: "grant_revoked", Text: "gone"}
	_, err := w.client.Open(t.Context(), mail.Upload{Size: 1})
	wantFault(t, err, mail.Revoked, "grant_revoked")
	if got := w.Stats().Requests[gmailtest.Open]; got != 0 {
		t.Errorf("requests = %d, want none", got)
	}
}

// The token travels nowhere but to the API's host.
func TestSessionOnAnotherHostIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	for _, location := range []string{"", "http://evil.example/x?upload_id=1", "https://gmail.googleapis.com.evil.example/", "/upload?upload_id=1",
		"https://user@gmail.googleapis.com/", "http://gmail.googleapis.com/upload", "https://gmail.googleapis.com:8443/", "https:gmail.googleapis.com", "://",
		strings.Replace(w.URL, "http", "https", 1), w.URL + "/" + strings.Repeat("x", 9000)} {
		w.Next(gmailtest.Fault{At: gmailtest.Open, Kind: gmailtest.Answer, Status: 200, Header: map[string]string{"Location": location}, Body: " "})
		_, err := w.client.Open(t.Context(), mail.Upload{Size: 1})
		wantFault(t, err, mail.Setup, "session_host")
		_, err = w.client.Put(t.Context(), vault.NewSecret(location), whole(message(100)))
		wantFault(t, err, mail.Setup, "session_host")
		_, err = w.client.Query(t.Context(), vault.NewSecret(location), 100)
		wantFault(t, err, mail.Setup, "session_host")
	}
	for _, location := range []string{"https://gmail.googleapis.com/x?upload_id=1", "https://www.googleapis.com/resumable/x?upload_id=1"} {
		w.Next(gmailtest.Fault{At: gmailtest.Open, Kind: gmailtest.Answer, Status: 200, Header: map[string]string{"Location": location}, Body: " "})
		if s, err := w.client.Open(t.Context(), mail.Upload{Size: 1}); err != nil || s.RevealString() != location {
			t.Errorf("Google's own host is refused: %v", err)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	var hits atomic.Int64
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trap := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) })}
	go func() { _ = trap.Serve(ln) }()
	t.Cleanup(func() { _ = trap.Close() })
	s := w.open(t, 100)
	for _, status := range []int{301, 302, 307, 308} {
		for _, at := range []gmailtest.Point{gmailtest.Open, gmailtest.Put, gmailtest.Query, gmailtest.Label} {
			w.Next(gmailtest.Fault{At: at, Kind: gmailtest.Answer, Status: status, Header: map[string]string{"Location": "http://" + ln.Addr().String() + "/"}, Body: " "})
		}
		_, _ = w.client.Open(t.Context(), mail.Upload{Size: 1})
		_, _ = w.client.Put(t.Context(), s, mail.Chunk{Length: 100, Total: 100, Body: bytes.NewReader(message(100))})
		_, _ = w.client.Query(t.Context(), s, 100)
		_, _ = w.client.Label(t.Context(), "x")
	}
	if n := hits.Load(); n > 0 {
		t.Errorf("redirects were followed %d times", n)
	}
}

func TestAPIAddressMustBeSafe(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{"": true, "https://gmail.googleapis.com": true, "https://gmail.googleapis.com/": true, "http://127.0.0.1:80": true,
		"http://[::1]:80": true, "http://localhost:1": true, "http://gmail.googleapis.com": false, "http://127.0.0.1.evil.example": false,
		"ftp://127.0.0.1": false, "https://": false, "https://u:p@h": false, "gmail.googleapis.com": false, "https://h/?x=1": false} {
		_, err := gmail.New(gmail.Options{APIURL: address, Tokens: &tokens{}})
		if (err == nil) != ok {
			t.Errorf("%q: %v, want ok = %v", address, err, ok)
		}
	}
}

func TestUnsayableChunkIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	s := w.open(t, -1)
	r := strings.NewReader("")
	for _, c := range []mail.Chunk{{Offset: -1, Length: 1, Total: 5, Body: r}, {Length: -1, Total: 5, Body: r}, {Length: 6, Total: 5, Body: r},
		{Length: 1000, Total: -1, Body: r}, {Length: 1000, Total: 2000, Body: r}, {Length: 10, Total: 10}, {Length: 0, Total: -1},
		{Offset: 1 << 62, Length: 1 << 62, Total: -1, Body: r}} {
		_, err := w.client.Put(t.Context(), s, c)
		wantFault(t, err, mail.Transient, "bad_chunk")
	}
}

func TestCancelledRequestIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	s := w.open(t, 10)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("drained")
	cancel(stop)
	_, err := w.client.Put(ctx, s, whole(message(100)[:10]))
	f := wantFault(t, err, mail.Unknown, "gmail_unreachable")
	if !errors.Is(f.Err, stop) && !errors.Is(f.Err, context.Canceled) {
		t.Errorf("cause is lost: %v", f.Err)
	}
	_, err = w.client.Open(ctx, mail.Upload{Size: 1})
	wantFault(t, err, mail.Transient, "gmail_unreachable")
}

// piped is a world in fake time.
func piped(t *testing.T, o gmailtest.Options) *world {
	p := gmailtest.NewPipe()
	l := gmailtest.New(o).Serve(p)
	tr := gmail.NewTransport(nil)
	tr.DialContext = p.Dial
	t.Cleanup(func() { tr.CloseIdleConnections(); l.Close() })
	return join(t, l, tr)
}

func TestSilentGmailIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, gmailtest.Options{})
		s := w.open(t, 100)
		for _, at := range []gmailtest.Point{gmailtest.Put, gmailtest.Query, gmailtest.Open} {
			w.Next(gmailtest.Fault{At: at, Kind: gmailtest.Delay, DelayMS: time.Hour.Milliseconds()})
		}
		start := time.Now()
		_, err := w.client.Put(t.Context(), s, whole(message(100)))
		wantFault(t, err, mail.Unknown, "gmail_unreachable")
		_, err = w.client.Query(t.Context(), s, 100)
		wantFault(t, err, mail.Unknown, "gmail_unreachable")
		_, err = w.client.Open(t.Context(), mail.Upload{Size: 1})
		wantFault(t, err, mail.Transient, "gmail_unreachable")
		if d := time.Since(start); d > 6*time.Minute+time.Second {
			t.Errorf("gave up after %v", d)
		}
	})
}

// slowBody takes its time: it is the source that is slow, not Gmail.
type slowBody struct{ r io.Reader }

func (s slowBody) Read(p []byte) (int, error) {
	time.Sleep(5 * time.Minute)
	return s.r.Read(p[:min(len(p), 10_000)])
}

func TestSlowSourceIsNotGmailsFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, gmailtest.Options{})
		b := message(40_000)
		s := w.open(t, 40_000)
		a, err := w.client.Put(t.Context(), s, mail.Chunk{Length: 40_000, Total: 40_000, Body: slowBody{bytes.NewReader(b)}})
		done(t, a, err)
		w.exactlyOnce(t, b)
	})
}

// Some answers come before the request is over, and then nothing more.
func TestAnswerThatStopsInTheMiddleIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := gmailtest.NewPipe()
		defer p.Close()
		go func() {
			c, err := p.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":\"1")
			}
			_, _ = io.Copy(io.Discard, c) // until the client gives up
			_ = c.Close()
		}()
		tr := gmail.NewTransport(nil)
		tr.DialContext = p.Dial
		defer tr.CloseIdleConnections()
		double := gmailtest.New(gmailtest.Options{})
		c, err := gmail.New(gmail.Options{APIURL: "http://127.0.0.1", Tokens: &tokens{double: double}, Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = c.Put(t.Context(), vault.NewSecret("http://127.0.0.1/?upload_id=1"), whole(message(100)))
		wantFault(t, err, mail.Unknown, "gmail_unreachable")
		if d := time.Since(start); d > 3*time.Minute {
			t.Errorf("gave up after %v", d)
		}
	})
}

// leaky is a transport that says more than it should in its errors.
type leaky func(*url.URL) error

func (l leaky) RoundTrip(r *http.Request) (*http.Response, error) { return nil, l(r.URL) }

func TestErrorsOfATransportDoNotNameTheSession(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]leaky{
		"wrapped":   func(u *url.URL) error { return &url.Error{Op: "Put", URL: u.String(), Err: io.ErrUnexpectedEOF} },
		"in text":   func(u *url.URL) error { return fmt.Errorf("cannot parse the answer of %s", u) },
		"truncated": func(u *url.URL) error { return fmt.Errorf("cannot reach %.50s…", u) },
	} {
		c, err := gmail.New(gmail.Options{Tokens: &tokens{current: "x"}, Transport: l})
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{"upload_id=secret&session_crd=secret", "capability=secret"} {
			_, err = c.Query(t.Context(), vault.NewSecret(gmail.DefaultAPIURL+"/upload?"+query), 5)
			f := wantFault(t, err, mail.Unknown, "gmail_unreachable")
			if name == "wrapped" && !errors.Is(f.Err, io.ErrUnexpectedEOF) {
				t.Errorf("the cause is lost: %v", f.Err)
			}
			if name != "truncated" && strings.Contains(f.Err.Error(), "secret") {
				t.Errorf("%s: %v", name, f.Err)
			}
		}
	}
}

// hoarder is a transport that answers at once and keeps the request, as
// net/http does with one whose answer came early.
type hoarder struct{ body io.Reader }

func (h *hoarder) RoundTrip(r *http.Request) (*http.Response, error) {
	h.body = r.Body
	_, err := io.ReadFull(r.Body, make([]byte, 1000))
	return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody}, err
}

func TestBodyIsOutOfReachOncePutHasReturned(t *testing.T) {
	t.Parallel()
	h := &hoarder{}
	c, err := gmail.New(gmail.Options{Tokens: &tokens{current: "x"}, Transport: h})
	if err != nil {
		t.Fatal(err)
	}
	g := &guarded{inner: zeros{}}
	_, err = c.Put(t.Context(), vault.NewSecret(gmail.DefaultAPIURL+"/?upload_id=1"), mail.Chunk{Length: mib, Total: mib, Body: g})
	wantFault(t, err, mail.Unknown, "gmail_unavailable")
	g.over.Store(true)
	if n, err := h.body.Read(make([]byte, 10)); n > 0 || err == nil || err == io.EOF || g.late.Load() > 0 {
		t.Errorf("late read: %d octets, %v, source read %d times", n, err, g.late.Load())
	}
}

const mib = 1 << 20
