package imap_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/sourcetest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// realConfig reaches user ann at a Dovecot over addr, its own or a proxy's.
func realConfig(t testing.TB, srv *dovecot.Server, addr, user, password string, startTLS bool) imap.Config {
	t.Helper()
	security := imap.TLS
	if startTLS {
		security = imap.STARTTLS
	}
	cfg := config(t, addr, security)
	cfg.Username, cfg.Password = user, vault.NewSecret(password)
	cfg.Dial = dial.New(dial.Options{Roots: srv.CA.Pool(), Policy: loopback(cfg.Port)})
	return cfg
}

// Not parallel: the suite counts goroutines.
func TestRealDovecotConformance(t *testing.T) {
	srv := dovecot.Start(t)
	// All users at once: Dovecot notices a change of its password file only
	// when time stamp or size differ from what it saw a moment ago.
	next := 0
	for i := range 80 {
		if err := srv.AddUser(fmt.Sprintf("ann%d@home.example", i), password); err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range srv.Ways() {
		if way.Protocol != "imap" {
			continue
		}
		t.Run(way.Name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Harness{Seen: true, Serve: func(t *testing.T, messages [][]byte) sourcetest.Mailbox {
				name := fmt.Sprintf("ann%d@home.example", next)
				next++
				if err := srv.Deliver(name, "INBOX", messages...); err != nil {
					t.Fatal(err)
				}
				return sourcetest.Mailbox{
					Addr: way.Addr(), Password: password,
					Dial: func(ctx context.Context, addr, password string) (sourcetest.Source, error) {
						s, err := imap.New(realConfig(t, srv, addr, name, password, way.StartTLS)).Open(ctx)
						if err != nil {
							return nil, err
						}
						return s, nil
					},
					Remove: func(i int) error {
						paths, err := srv.Files(name, "INBOX")
						if err != nil {
							return err
						}
						return os.Remove(paths[i])
					},
				}
			}})
		})
	}
}

// All real mail at hand passes through a real server, as that server has it:
// Dovecot sends a bare LF as CRLF and replaces NUL. It may number files that
// arrive within one second in any order.
func TestCorpusArrivesByteForByte(t *testing.T) {
	t.Parallel()
	var mails [][]byte
	for _, path := range testkit.Corpus() {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, raw)
	}
	for i := range 100 {
		mails = append(mails, testkit.Message(uint64(i)))
	}
	for _, m := range testkit.Odd() {
		mails = append(mails, m.Raw)
	}
	want := map[[32]byte]int{}
	for _, m := range mails {
		want[sha256.Sum256(asDovecotSends(m))]++
	}
	srv := dovecot.Start(t)
	if err := srv.AddUser("ann", password); err != nil {
		t.Fatal(err)
	}
	if err := srv.Deliver("ann", "INBOX", mails...); err != nil {
		t.Fatal(err)
	}
	for _, way := range srv.Ways() {
		if way.Protocol != "imap" {
			continue
		}
		src := open(t, realConfig(t, srv, way.Addr(), "ann", password, way.StartTLS))
		got := map[[32]byte]int{}
		for in, err := range src.Fetch(t.Context(), list(t, src)) {
			if err != nil {
				t.Fatalf("%s: %v", way.Name, err)
			}
			h := sha256.New()
			if _, err := io.Copy(h, in.Body); err != nil {
				t.Fatalf("%s: %v: %v", way.Name, in.Ref, err)
			}
			got[[32]byte(h.Sum(nil))]++
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %d different messages, want %d, and some differ", way.Name, len(got), len(want))
		}
	}
}

func asDovecotSends(raw []byte) []byte {
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	return bytes.ReplaceAll(raw, []byte{0}, []byte{0x80})
}
