package testkit

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestOrdinaryMailIsOrdinary(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for seed := range uint64(500) {
		raw := Message(seed)
		if !bytes.Equal(raw, Message(seed)) {
			t.Fatalf("seed %d gives different octets", seed)
		}
		if len(raw) < 500 || len(raw) > 10<<10 {
			t.Errorf("seed %d: %d octets", seed, len(raw))
		}
		if bare := bytes.ReplaceAll(raw, []byte("\r\n"), nil); bytes.ContainsAny(bare, "\r\n\x00") || !bytes.HasSuffix(raw, []byte("\r\n")) {
			t.Errorf("seed %d: line ends are not all CRLF", seed)
		}
		m, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if list, err := m.Header.AddressList("From"); err != nil || len(list) != 1 {
			t.Errorf("seed %d: From %v, %v", seed, list, err)
		}
		if _, err := m.Header.Date(); err != nil {
			t.Errorf("seed %d: Date: %v", seed, err)
		}
		ids[m.Header.Get("Message-ID")] = true
	}
	if len(ids) != 500 {
		t.Errorf("%d Message-IDs, want 500", len(ids))
	}
}

func TestOddMailIsTheSameEachTimeAndDiffers(t *testing.T) {
	t.Parallel()
	names, sums := map[string]bool{}, map[[32]byte]string{}
	again := Odd()
	for i, m := range Odd() {
		if !bytes.Equal(m.Raw, again[i].Raw) {
			t.Errorf("%s: different octets", m.Name)
		}
		if names[m.Name] {
			t.Errorf("%s: name used twice", m.Name)
		}
		names[m.Name] = true
		sum := sha256.Sum256(m.Raw)
		if other, ok := sums[sum]; ok {
			t.Errorf("%s and %s are equal", m.Name, other)
		}
		sums[sum] = m.Name
	}
}

func TestBigMailHasExactlyItsSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{MinBig, MinBig + 1, 4096, 77_777, 1 << 20} {
		for extra := range int64(bigLine + 1) {
			var sum [2][]byte
			for i, r := range []io.Reader{Big(size+extra, 7), iotest.OneByteReader(Big(size+extra, 7))} {
				if size == 1<<20 && extra > 3 {
					continue
				}
				raw, err := io.ReadAll(r)
				if err != nil || int64(len(raw)) != size+extra {
					t.Fatalf("%d octets, want %d, %v", len(raw), size+extra, err)
				}
				if bare := bytes.ReplaceAll(raw, []byte("\r\n"), nil); bytes.ContainsAny(bare, "\r\n") || !bytes.HasSuffix(raw, []byte("\r\n")) {
					t.Fatalf("size %d: line ends are not all CRLF", size+extra)
				}
				h := sha256.Sum256(raw)
				sum[i] = h[:]
			}
			if !bytes.Equal(sum[0], sum[1]) {
				t.Fatalf("size %d: the octets depend on how they are read", size+extra)
			}
		}
	}
}

func TestCanaryIsFoundInEveryForm(t *testing.T) {
	t.Parallel()
	c := NewCanary()
	if got := c.Find(c.Message(4096)); len(got) != len(c.forms) {
		t.Errorf("found %v in its own message, want %d forms", got, len(c.forms))
	}
	if got := c.Find(NewCanary().Message(4096)); got != nil {
		t.Errorf("found %v in the message of another", got)
	}
	for shift := range 7 { // wherever it lies in an attachment
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xff", shift) + c.String() + "\xff\xff"))
		if got := c.Find([]byte(encoded)); len(got) != 1 {
			t.Errorf("base64 after %d octets: found %q", shift, got)
		}
	}
	dir := t.TempDir()
	for i, f := range c.forms {
		// across the border of two windows
		data := append(bytes.Repeat([]byte("x"), 1<<20-10), f.octets...)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), append(data, "tail"...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, c.String()), 0o700); err != nil {
		t.Fatal(err)
	}
	found, err := c.FindIn(dir)
	if err != nil || len(found) != len(c.forms)+1 {
		t.Errorf("FindIn = %q, %v, want %d finds", found, err, len(c.forms)+1)
	}
}

func TestCertificatesAreGoodOrBadAsAsked(t *testing.T) {
	t.Parallel()
	ca := NewCA()
	for _, c := range []struct {
		name string
		cert tls.Certificate
		want string // in the client's error; "" is success
	}{
		{"good", ca.Server("mail.example", "127.0.0.1"), ""},
		{"expired", ca.Expired("mail.example"), "expired"},
		{"not yet valid", ca.NotYetValid("mail.example"), "not yet valid"},
		{"wrong name", ca.WrongName(), "somebody-else.example"},
		{"self-signed", ca.SelfSigned("mail.example"), "unknown authority"},
		{"other authority", NewCA().Server("mail.example"), "unknown authority"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// Not net.Pipe: both sides write at once when the client refuses.
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				server, err := listener.Accept()
				if err != nil {
					return
				}
				defer server.Close()
				_ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{c.cert}}).Handshake() // the client's side tells
			}()
			client, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			err = tls.Client(client, ca.ClientConfig("mail.example")).HandshakeContext(t.Context())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("handshake: %v, want %q", err, c.want)
			}
			if cert, key := PairPEM(c.cert); len(key) == 0 {
				t.Error("no key")
			} else if _, err := tls.X509KeyPair(cert, key); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMissingServerIsASkipOnALaptopAndAFailureInCI(t *testing.T) {
	for _, c := range []struct {
		ci      string
		present bool
		want    string
	}{
		{"", true, ""}, {"true", true, ""}, {"", false, "skip"}, {"true", false, "fail"}, {"1", false, "fail"},
	} {
		t.Setenv("CI", c.ci)
		var tb recorder
		Require(&tb, "thing", c.present, "install it")
		if tb.did != c.want {
			t.Errorf("CI=%q, present %v: %q, want %q", c.ci, c.present, tb.did, c.want)
		}
	}
}

// recorder notes how a test ended.
type recorder struct{ did string }

func (r *recorder) Helper()               {}
func (r *recorder) Cleanup(func())        {}
func (r *recorder) TempDir() string       { return "" }
func (r *recorder) Logf(string, ...any)   {}
func (r *recorder) Skipf(string, ...any)  { r.did = "skip" }
func (r *recorder) Fatalf(string, ...any) { r.did = "fail" }

func TestRootIsWhereTheModuleIs(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(Root(t), "go.mod")); err != nil {
		t.Error(err)
	}
}
