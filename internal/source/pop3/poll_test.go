package pop3_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"hash"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

type dialer struct{ *pop3.Dialer }

func (d dialer) Dial(ctx context.Context) (bridge.Source, error) {
	s, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// everything that a pass needs and that is not its mailbox.
type accepting struct{}

func (accepting) Open(context.Context, mail.Upload) (vault.Secret, error) {
	return vault.NewSecret("session"), nil
}

func (accepting) Put(_ context.Context, _ vault.Secret, c mail.Chunk) (mail.Answer, error) {
	_, err := new(bytes.Buffer).ReadFrom(c.Body)
	return mail.Answer{Done: true}, err
}

func (accepting) Query(context.Context, vault.Secret, int64) (mail.Answer, error) {
	return mail.Answer{Done: true}, nil
}
func (accepting) Label(context.Context, string) (string, error)         { return "", nil }
func (accepting) Reserve(_ context.Context, sizes []int64) (int, error) { return len(sizes), nil }
func (accepting) Refund(context.Context, int, int64)                    {}
func (accepting) Throttled(*mail.Fault)                                 {}

type keys struct{}

func (k keys) of(what string, text []byte) (key mail.Key) {
	h := k.Stream()
	fmt.Fprintf(h, "%s %d %s", what, len(text), text)
	copy(key[:], h.Sum(nil))
	key[0], key[1], key[2], key[3], key[4], key[5] = 0, 0, 0, 0, 0, 0 // one folder
	return key
}

func (k keys) ID(r mail.Ref) mail.Key          { return k.of("id", r.AppendID(nil)) }
func (k keys) Content(h *mail.Header) mail.Key { return k.of("content", h.Raw()) }
func (k keys) Occurrence(c mail.Key, n int) mail.Key {
	return k.of(fmt.Sprint("occurrence ", n), c[:])
}
func (keys) Stream() hash.Hash { return hmac.New(sha256.New, []byte("key of this mailbox")) }

// polled is a maildrop with a ledger.
type polled struct {
	pass   bridge.Pass
	digest mail.Key
}

func (s *server) polled(t testing.TB) *polled {
	return &polled{pass: bridge.Pass{
		Dialer: dialer{pop3.New(s.config(t, s.addr))}, Gmail: accepting{}, Budget: accepting{}, Keys: keys{},
		Ledger: ledger.NewMemory().Take().Mailbox(id.New[id.Mailbox]()),
	}}
}

func (m *polled) sync(t testing.TB) bridge.Report {
	t.Helper()
	m.pass.Digest = m.digest
	rep, err := bridge.Sync(t.Context(), m.pass)
	if err != nil {
		t.Fatal(err)
	}
	m.digest = rep.Digest
	return rep
}

func TestAPollAsksAsMuchAsItMust(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{LoginDelay: 60}, mails(3)...)
	m := s.polled(t)
	if rep := m.sync(t); rep.Imported != 3 || rep.LoginDelay.Seconds() != 60 {
		t.Errorf("got %+v, want 3 imported", rep)
	}
	s.asked(t, 1, 1)
	if rep := m.sync(t); !rep.Unchanged {
		t.Errorf("got %+v, want unchanged", rep)
	}
	s.asked(t, 2, 2)
	s.drop.Add(mails(4)[3])
	if rep := m.sync(t); rep.Imported != 1 || rep.Already != 3 {
		t.Errorf("got %+v, want one imported", rep)
	}
	s.asked(t, 3, 3)
	if got := s.Seen("QUIT"); got != 3 {
		t.Errorf("%d QUIT, want 3", got)
	}
}

// bare is the least that a poll can be: log in, ask for both listings, go.
func bare(t testing.TB, addr string, config *tls.Config) {
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	answer := func() {
		line, err := r.ReadSlice('\n')
		if err != nil || line[0] != '+' {
			t.Fatalf("%s %v", line, err)
		}
	}
	answer()
	for _, command := range []string{"USER " + user, "PASS " + password, "UIDL", "LIST", "QUIT"} {
		if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
			t.Fatal(err)
		}
		answer()
		for listing := strings.HasSuffix(command, "L") || command == "LIST"; listing; {
			line, err := r.ReadSlice('\n')
			if err != nil {
				t.Fatal(err)
			}
			listing = string(line) != ".\r\n"
		}
	}
}

// BenchmarkPoll holds a pass that finds nothing changed against the bare
// exchange, server included, both in this process: compare cpu-us/op.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{0, 100, 1000} {
		s := start(b, pop3.TLS, pop3d.Faults{}, mails(n)...)
		b.Run(fmt.Sprint("bare/", n), func(b *testing.B) {
			config := ca.ClientConfig("127.0.0.1")
			before := cpu()
			for b.Loop() {
				bare(b, s.addr, config)
			}
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-us/op")
		})
		b.Run(fmt.Sprint("pass/", n), func(b *testing.B) {
			m := s.polled(b)
			m.sync(b)
			before := cpu()
			for b.Loop() {
				if !m.sync(b).Unchanged {
					b.Fatal("changed")
				}
			}
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}
