package discover

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

var (
	ca       = testkit.NewCA()
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
)

// site is a web server on the loopback, and a web that may reach it.
func site(t *testing.T, cert tls.Certificate, handler http.HandlerFunc) (base string, port uint16, w *web) {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	port = uint16(srv.Listener.Addr().(*net.TCPAddr).Port)
	d := dial.New(dial.Options{Policy: dial.Policy{Allow: loopback, Ports: []uint16{port}}, Roots: ca.Pool()})
	return fmt.Sprintf("https://127.0.0.1:%d", port), port, newWeb(d, port)
}

func TestFileIsFetchedOverHTTPSAndNothingIsTold(t *testing.T) {
	t.Parallel()
	base, _, w := site(t, ca.Server("127.0.0.1"), func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" || r.Header.Get("Referer") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("told: %v %v", r.URL, r.Header)
		}
		if r.URL.Path == "/from" {
			http.SetCookie(rw, &http.Cookie{Name: "a", Value: "b"})
			http.Redirect(rw, r, "/mail/config-v1.1.xml", http.StatusFound)
			return
		}
		fmt.Fprint(rw, config(""))
	})
	for _, path := range []string{"/mail/config-v1.1.xml", "/from"} {
		if file, err := w.Get(t.Context(), base+path); err != nil || string(file) != config("") {
			t.Errorf("Get(%s) = %q, %v", path, file, err)
		}
	}
}

func TestRedirectsAreFewAndStayOnHTTPS(t *testing.T) {
	t.Parallel()
	base, _, w := site(t, ca.Server("127.0.0.1"), func(rw http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/hops/%d", &n); err == nil && n > 0 {
			http.Redirect(rw, r, fmt.Sprintf("/hops/%d", n-1), http.StatusFound)
			return
		}
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(rw, r, to, http.StatusFound)
			return
		}
		fmt.Fprint(rw, "here")
	})
	if file, err := w.Get(t.Context(), base+"/hops/3"); err != nil || string(file) != "here" {
		t.Errorf("three redirects: %q, %v", file, err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a forbidden server was asked") }))
	defer other.Close()
	for _, to := range []string{
		"/hops/4", other.URL, "https://" + other.Listener.Addr().String(), "https://user@127.0.0.1:1/", "https://2130706433/", "file:///etc/passwd", "gopher://127.0.0.1/",
	} {
		path := to
		if !strings.HasPrefix(to, "/") {
			path = "/?to=" + to
		}
		if file, err := w.Get(t.Context(), base+path); err == nil {
			t.Errorf("redirect to %s: %q", to, file)
		}
	}
}

func TestRedirectIntoOurNetworkIsRefusedAtConnectTime(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	_, port, w := site(t, ca.Server("127.0.0.1", "localhost"), func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	w.dial = dial.New(dial.Options{Policy: dial.Policy{Ports: []uint16{port}}, Roots: ca.Pool()})
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "169.254.169.254"} {
		_, err := w.Get(t.Context(), fmt.Sprintf("https://%s:%d/", host, port))
		if f, ok := mail.AsFault(err); !ok || f.Code != "address_forbidden" {
			t.Errorf("%s: %v, want address_forbidden", host, err)
		}
	}
	if asked.Load() > 0 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
}

func TestFileThatIsTooLongOrNotThereIsRefused(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	base, _, w := site(t, ca.Server("127.0.0.1"), func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fits":
			_, _ = rw.Write(bytes.Repeat([]byte("a"), maxFile))
		case "/long":
			_, _ = rw.Write(bytes.Repeat([]byte("a"), maxFile+1))
		case "/endless":
			for r.Context().Err() == nil && sent.Load() < 64<<20 {
				n, _ := rw.Write(make([]byte, 64<<10))
				sent.Add(int64(n))
			}
		case "/header":
			rw.Header().Set("X", strings.Repeat("a", 64<<10))
		case "/gzip":
			rw.Header().Set("Content-Encoding", "gzip")
			_, _ = rw.Write([]byte("not unpacked"))
		default:
			http.NotFound(rw, r)
		}
	})
	for path, want := range map[string]int{"/fits": maxFile, "/long": -1, "/endless": -1, "/header": -1, "/missing": -1, "/gzip": 12} {
		file, err := w.Get(t.Context(), base+path)
		if (err == nil) != (want >= 0) || err == nil && len(file) != want {
			t.Errorf("%s: %d octets, %v; want %d", path, len(file), err, want)
		}
	}
	if sent.Load() > 16<<20 { // what fits between the two ends, and no more
		t.Errorf("an endless file was read for %d octets", sent.Load())
	}
}

func TestOnlyPlainHTTPSAddressesAreFetched(t *testing.T) {
	t.Parallel()
	w := newWeb(nil, httpsPort)
	for address, want := range map[string]bool{
		"https://example.com/x": true, "https://example.com:443/x": true, "https://example.com:8443/x": false, "http://example.com/x": false,
		"http://example.com:443/x": false, "https://ann@example.com/x": false, "https://ann:pw@example.com/x": false, "file:///x": false,
		"https:///x": false, "https://0x7f000001/": false, "https://[fe80::1%25eth0]/": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.check(u); (err == nil) != want {
			t.Errorf("%s: %v, want %t", address, err, want)
		}
	}
}

func TestFileFromAnUnprovenServerIsRefused(t *testing.T) {
	t.Parallel()
	for name, cert := range map[string]tls.Certificate{
		"self-signed": ca.SelfSigned("127.0.0.1"), "expired": ca.Expired("127.0.0.1"), "wrong name": ca.WrongName(),
	} {
		base, _, w := site(t, cert, func(http.ResponseWriter, *http.Request) { t.Error("asked: " + name) })
		if _, err := w.Get(t.Context(), base); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestKnockProvesTheName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cert tls.Certificate
		tls  bool
		code string
	}{
		"good":            {ca.Server("127.0.0.1"), true, ""},
		"wrong name":      {ca.WrongName(), true, "tls_certificate"},
		"open port is ok": {ca.WrongName(), false, ""},
	} {
		_, port, w := site(t, c.cert, func(http.ResponseWriter, *http.Request) {})
		err := knocker{w.dial}.Knock(t.Context(), "127.0.0.1", port, c.tls)
		f, _ := mail.AsFault(err)
		if (err == nil) != (c.code == "") || f != nil && f.Code != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func TestFinderTakesAFileFromARealServer(t *testing.T) {
	t.Parallel()
	base, _, w := site(t, ca.Server("127.0.0.1"), func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, config(incoming("imap", "imap.example.com", 993, "SSL")))
	})
	outside := &world{}
	f := New(nil, Options{DNS: outside, Web: moved{w, base}, Knock: outside})
	found, err := f.Find(t.Context(), "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, lines(found), "autoconfig imap imap.example.com:993 tls ann@example.com password")
}

// moved asks another server than the URL says.
type moved struct {
	*web
	base string
}

func (m moved) Get(ctx context.Context, _ string) ([]byte, error) { return m.web.Get(ctx, m.base) }
