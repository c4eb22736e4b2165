package postgres

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
	"github.com/smtp-sync/smtp-sync/internal/vault/vaulttest"
)

// farther puts a network between program and server: each octet takes so long,
// each way, and as many are under way as there are.
func farther(tb testing.TB, to string, each time.Duration) (port int) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	tb.Cleanup(func() { cancel(); _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				return
			}
			context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })
			all.Go(func() { late(far, near, each) })
			all.Go(func() { late(near, far, each) })
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

func late(w, r net.Conn, each time.Duration) {
	type part struct {
		at time.Time
		b  []byte
	}
	parts := make(chan part, 1024)
	go func() {
		defer close(parts)
		for {
			b := make([]byte, 32<<10)
			n, err := r.Read(b)
			if n > 0 {
				parts <- part{time.Now().Add(each), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range parts {
		time.Sleep(time.Until(p.at))
		if _, err := w.Write(p.b); err != nil {
			break
		}
	}
	_ = w.Close()
	for range parts {
	}
	_, _ = io.Copy(io.Discard, r)
}

// BenchmarkLedger imports messages: a claim and an outcome with its audit line for
// each, of many users at once, on a server that waits for its disk.
//
//	go test -run '^$' -bench Ledger -benchtime 10s ./internal/store/postgres
func BenchmarkLedger(b *testing.B) {
	srv, err := postgres.Launch(postgres.Options{Durable: true})
	ok(b, err)
	b.Cleanup(srv.Stop)
	d, err := srv.Create("")
	ok(b, err)
	_, err = Migrate(b.Context(), secret(d.URL(postgres.Owner)), secret(d.URL(postgres.Service)))
	ok(b, err)
	for _, c := range []struct {
		name           string
		roundTrip      time.Duration
		users, writers int
	}{
		{"near/20 users, 64 writers", 0, 20, 64},
		{"5ms/20 users, 64 writers", 5 * time.Millisecond, 20, 64},
		{"5ms/20 users, 1024 writers", 5 * time.Millisecond, 20, 1024},
		{"5ms/200 users, 1024 writers", 5 * time.Millisecond, 200, 1024},
	} {
		b.Run(c.name, func(b *testing.B) {
			at := d.URL(postgres.Service)
			if c.roundTrip > 0 {
				at = d.At(postgres.Service, srv.Host, farther(b, net.JoinHostPort(srv.Host, strconv.Itoa(srv.Port)), c.roundTrip/2))
			}
			i := &installation{Database: d, shelf: new(vaulttest.Memory), masters: masters(b)}
			var commits, writes atomic.Int64
			s, err := Open(b.Context(), secret(at), i.keys, Options{Limit: time.Minute, Observe: func(_ time.Duration, n int) {
				commits.Add(1)
				writes.Add(int64(n))
			}})
			ok(b, err)
			b.Cleanup(func() { ok(b, s.Close()) })
			ledgers := make([]*Ledger, c.users)
			for n := range ledgers {
				user := newUser(b, s)
				ledgers[n] = takeLedger(b, s, user, newMailbox(b, s, user))
			}
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for n := range c.writers {
				l := ledgers[n%len(ledgers)]
				all.Go(func() {
					for next.Add(1) <= int64(b.N) {
						k := freshKey()
						err := l.Claim(b.Context(), ledger.Claim{Key: k, Session: secret("https://upload.test/session/0123456789"), Domain: "example.org", Size: 5000})
						if err == nil {
							err = l.Settle(b.Context(), k, inGmail)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64(writes.Load())/float64(commits.Load()), "writes/commit")
		})
	}
}
