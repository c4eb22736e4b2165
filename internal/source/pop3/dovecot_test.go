package pop3_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/source/sourcetest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// popWays gives the two ways to reach a Dovecot with POP3.
func popWays(srv *dovecot.Server) (ways []dovecot.Way) {
	for _, w := range srv.Ways() {
		if w.Protocol == "pop3" {
			ways = append(ways, w)
		}
	}
	return ways
}

func realConfig(t testing.TB, srv *dovecot.Server, way dovecot.Way, addr, name, password string) pop3.Config {
	t.Helper()
	s := server{security: pop3.TLS}
	if way.StartTLS {
		s.security = pop3.StartTLS
	}
	c := s.config(t, addr)
	c.Username, c.Password = name, vault.NewSecret(password)
	c.Dial = local(c.Port, srv.CA.Pool())
	return c
}

// Not parallel: the suite counts goroutines.
func TestConformanceAgainstDovecot(t *testing.T) {
	srv := dovecot.Start(t)
	// All users at once: Dovecot notices a change of its password file only
	// when time stamp or size differ from what it saw a moment ago.
	next := 0
	for i := range 80 {
		if err := srv.AddUser(fmt.Sprintf("ann%d@home.example", i), password); err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range popWays(srv) {
		t.Run(way.Name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Harness{
				Form: sourcetest.POP3Form, DeletesAtClose: true, NUL: true,
				Serve: func(t *testing.T, messages [][]byte) sourcetest.Mailbox {
					name := fmt.Sprintf("ann%d@home.example", next)
					next++
					if err := srv.Deliver(name, "", messages...); err != nil {
						t.Fatal(err)
					}
					return sourcetest.Mailbox{
						Addr: way.Addr(), Password: password,
						Dial: func(ctx context.Context, addr, password string) (sourcetest.Source, error) {
							src, err := pop3.New(realConfig(t, srv, way, addr, name, password)).Open(ctx)
							if err != nil {
								return nil, err
							}
							return src, nil
						},
						Remove: func(i int) error {
							paths, err := srv.Files(name, "")
							if err != nil {
								return err
							}
							return os.Remove(paths[i])
						},
					}
				},
			})
		})
	}
}

// All real mail at hand passes through a real server, as that server sends
// it: with CRLF, and the last line ended.
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
	srv := dovecot.Start(t)
	if err := srv.AddUser("ann", password); err != nil {
		t.Fatal(err)
	}
	if err := srv.Deliver("ann", "", mails...); err != nil {
		t.Fatal(err)
	}
	want := make([][]byte, len(mails))
	for i, raw := range mails {
		raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
		raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
		if len(raw) == 0 {
			raw = []byte("\r\n") // Dovecot's answer to an empty file
		}
		want[i] = sourcetest.POP3Form(raw)
	}
	for _, way := range popWays(srv) {
		src, err := pop3.New(realConfig(t, srv, way, way.Addr(), "ann", password)).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		refs := list(t, src)
		if len(refs) != len(want) {
			t.Fatalf("%s: %d messages listed, want %d", way.Name, len(refs), len(want))
		}
		wantBodies(t, src, refs, want...)
		i := 0
		for h, err := range src.Headers(t.Context(), refs) {
			if err != nil {
				t.Fatal(err)
			}
			if !h.Truncated() && !bytes.HasPrefix(want[i], bytes.TrimRight(h.Raw(), "\r\n")) {
				t.Errorf("%s: header of message %d is not the start of the message", way.Name, i)
			}
			i++
		}
		if err := src.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
