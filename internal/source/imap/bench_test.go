package imap_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
)

// Small mail over TLS, the server in the same process. One operation is 2,000
// messages of 8 KB.
func BenchmarkFetchSmall(b *testing.B) {
	_, box, addr := serve(b, imap.TLS, imapd.Options{})
	raw := bytes.Repeat([]byte("0123456789abcdef0123456789abcde\n"), 256)
	for range 2000 {
		box.Deliver("INBOX", raw)
	}
	src := open(b, config(b, addr, imap.TLS))
	refs := list(b, src)
	buf := make([]byte, 16<<10)
	b.SetBytes(int64(len(raw) * len(refs)))
	b.ReportAllocs()
	for b.Loop() {
		for in, err := range src.Fetch(b.Context(), refs) {
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, in.Body, buf); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// A listing of 2,000 messages.
func BenchmarkList(b *testing.B) {
	_, box, addr := serve(b, imap.TLS, imapd.Options{})
	for range 2000 {
		box.Deliver("INBOX", []byte("x"))
	}
	src := open(b, config(b, addr, imap.TLS))
	b.ReportAllocs()
	for b.Loop() {
		list(b, src)
	}
}
