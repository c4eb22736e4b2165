package sqlite

import (
	"crypto/rand"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// BenchmarkImport does what each imported message needs of the store, a claim
// and its settling with the audit line, from many callers at once.
func BenchmarkImport(b *testing.B) {
	for name, callers := range map[string]int{"1": 1, "8": 8, "64": 64, "512": 512} {
		b.Run("callers="+name, func(b *testing.B) { benchmarkImport(b, callers) })
	}
}

func benchmarkImport(b *testing.B, callers int) {
	s := openStore(b, b.TempDir(), Options{Exclusive: true})
	u := newUser(b, s, "somebody")
	l := takeLedger(b, s, u, newMailbox(b, s, u, "box"))
	session := vault.NewSecret("https://gmail.googleapis.com/upload/gmail/v1/users/me/messages/import?uploadType=resumable&upload_id=" +
		strings.Repeat(rand.Text(), 28)) // as long as live ones are
	b.ReportAllocs()
	b.ResetTimer()
	cpu, began := cpuTime(), time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				k := ledger.Key{}
				rand.Read(k.ID[:])
				rand.Read(k.Content[:])
				err := l.Claim(b.Context(), ledger.Claim{Key: k, Session: session, Domain: "example.org", Size: 5500, At: time.Now()})
				if err == nil {
					err = l.Settle(b.Context(), k, ledger.Outcome{Status: mail.Imported, Domain: "example.org", Size: 5500})
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "imports/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/import")
	runtime.KeepAlive(s)
}

// BenchmarkPoll does what a poll that finds nothing needs of the store: the
// mailbox with its password and state, the grant, the claims and the keys.
func BenchmarkPoll(b *testing.B) {
	for name, handles := range map[string]int{"warm": 2, "cold": 1} {
		b.Run(name, func(b *testing.B) { benchmarkPoll(b, handles) })
	}
}

// benchmarkPoll polls two users by turns.
func benchmarkPoll(b *testing.B, handles int) {
	s := openStore(b, b.TempDir(), Options{Exclusive: true, Handles: handles})
	var users [2]id.User
	var boxes [2]id.Mailbox
	for i := range users {
		users[i] = newUser(b, s, strconv.Itoa(i))
		m, err := s.EnsureMailbox(b.Context(), users[i], account.Mailbox{Protocol: "pop3", Host: "pop.example.org", Port: 995,
			Username: "somebody", Password: vault.NewSecret("password")})
		ok(b, err)
		boxes[i] = m.ID
		ok(b, s.PutGrant(b.Context(), users[i], account.Grant{RefreshToken: vault.NewSecret("token"), Email: "a@example.org", Sub: "1"}))
	}
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime()
	for n := range b.N {
		poll(b, s, users[n%2], boxes[n%2])
	}
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/poll")
}

func poll(b testing.TB, s *Store, u id.User, box id.Mailbox) {
	_, err := s.Grant(b.Context(), u)
	ok(b, err)
	_, _, err = s.Load(b.Context(), u, box)
	ok(b, err)
	o, err := s.Own(b.Context(), u)
	ok(b, err)
	l, err := o.Ledger(b.Context(), box)
	ok(b, err)
	_, err = l.Claims(b.Context())
	ok(b, err)
	_, err = s.Keys(b.Context(), u, box)
	ok(b, err)
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
