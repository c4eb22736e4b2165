package pop3_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// mails gives n small messages, all different.
func mails(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = testkit.Message(uint64(i + 1))
	}
	return out
}

// sized gives one message of about that many octets.
func sized(n int) []byte {
	head := fmt.Sprintf("From: a@big.example\r\nSubject: %d\r\n\r\n", n)
	return append([]byte(head), bytes.Repeat([]byte("0123456789abcdef\r\n"), n/18)...)
}

func list(t testing.TB, s *pop3.Source) []mail.Ref {
	t.Helper()
	var refs []mail.Ref
	for ref, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		refs = append(refs, ref)
	}
	return refs
}

func listErr(t testing.TB, s *pop3.Source) error {
	t.Helper()
	for _, err := range s.List(t.Context()) {
		if err != nil {
			return err
		}
	}
	return nil
}

// wantFault checks class and code of err.
func wantFault(t testing.TB, err error, class mail.Class, code string) *mail.Fault {
	t.Helper()
	f, ok := mail.AsFault(err)
	if !ok {
		t.Fatalf("got %v, want a fault %s", err, code)
	}
	if f.Class != class || f.Code != code {
		t.Fatalf("got class %v, code %s (%v); want class %v, code %s", f.Class, f.Code, f, class, code)
	}
	return f
}

// wantBodies fetches refs and compares.
func wantBodies(t testing.TB, s *pop3.Source, refs []mail.Ref, want ...[]byte) {
	t.Helper()
	i := 0
	for in, err := range s.Fetch(t.Context(), refs) {
		if err != nil {
			t.Fatalf("fetch of message %d: %v", i, err)
		}
		got, err := io.ReadAll(in.Body)
		if err != nil || !bytes.Equal(got, want[i]) {
			t.Fatalf("message %d: %d octets, %v; want %d", i, len(got), err, len(want[i]))
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d messages came, want %d", i, len(want))
	}
}
