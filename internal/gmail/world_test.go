package gmail_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

const (
	user  = "u@example.org"
	align = 256 << 10
)

// tokens is a TokenSource that makes access tokens at the double itself.
type tokens struct {
	double *gmailtest.Server
	scopes []string
	err    error

	mu      sync.Mutex
	current string
	made    int
}

func (t *tokens) Token(_ context.Context, stale vault.Secret) (vault.Secret, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return vault.Secret{}, t.err
	}
	if t.current == "" || t.current == stale.RevealString() {
		t.current = t.double.AccessToken(user, t.scopes...)
		t.made++
	}
	return vault.NewSecret(t.current), nil
}

func (t *tokens) Granted(_ context.Context, scope string) (bool, error) {
	if slices.Contains(t.scopes, scope) {
		return true, nil
	}
	return false, t.err
}

// world is a double on loopback with a client.
type world struct {
	*gmailtest.Listening
	client    *gmail.Client
	tokens    *tokens
	transport *http.Transport
}

func newWorld(t *testing.T, o gmailtest.Options) *world {
	t.Helper()
	l, err := gmailtest.Start(o, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return join(t, l, gmail.NewTransport(l.Roots))
}

func join(t *testing.T, l *gmailtest.Listening, tr *http.Transport) *world {
	t.Helper()
	t.Cleanup(tr.CloseIdleConnections)
	l.AddUser(user)
	tok := &tokens{double: l.Server, scopes: []string{gmailtest.ScopeInsert, gmailtest.ScopeLabels}}
	c, err := gmail.New(gmail.Options{APIURL: l.URL, Tokens: tok, Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	return &world{l, c, tok, tr}
}

func (w *world) open(t *testing.T, size int64) vault.Secret {
	t.Helper()
	s, err := w.client.Open(t.Context(), mail.Upload{LabelIDs: []string{"INBOX", "UNREAD"}, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// message makes a mail of about n octets.
func message(n int) []byte {
	head := "From: Ann <ann@example.net>\r\nMessage-ID: <1@example.net>\r\nSubject: x\r\n\r\n"
	line := "The quick brown fox jumps over the lazy dog 0123456789.\r\n"
	b := head + strings.Repeat(line, max(n-len(head), 0)/len(line)+1)
	return []byte(b[:max(n, len(head))])
}

// whole is a chunk that is the whole message.
func whole(b []byte) mail.Chunk { return part(b, 0, len(b), int64(len(b))) }

// part is the chunk b[from:to]; its body hides that it could be rewound.
func part(b []byte, from, to int, total int64) mail.Chunk {
	return mail.Chunk{Offset: int64(from), Length: int64(to - from), Total: total, Body: onlyReader{bytes.NewReader(b[from:to])}}
}

type onlyReader struct{ r *bytes.Reader }

func (o onlyReader) Read(p []byte) (int, error) { return o.r.Read(p) }

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// exactlyOnce checks the truth: these messages and no others, one copy each.
func (w *world) exactlyOnce(t *testing.T, want ...[]byte) {
	t.Helper()
	got := w.Hashes(user)
	if len(got) != len(want) {
		t.Errorf("different messages in Gmail = %d, want %d", len(got), len(want))
	}
	for _, b := range want {
		if got[sum(b)] != 1 {
			t.Errorf("copies of a message of %d octets = %d, want 1", len(b), got[sum(b)])
		}
	}
}

func wantFault(t *testing.T, err error, class mail.Class, code string) *mail.Fault {
	t.Helper()
	f, ok := mail.AsFault(err)
	if !ok {
		t.Fatalf("error = %v (%T), want a Fault %s", err, err, code)
	}
	if f.Class != class || f.Code != code {
		t.Errorf("fault = class %d code %s (%v, %v), want class %d code %s", f.Class, f.Code, f, f.Err, class, code)
	}
	if s := fmt.Sprintf("%v %+v %#v %v", f, f, *f, f.Err); strings.Contains(s, "upload_id") || strings.Contains(s, "ya29.") {
		t.Errorf("fault gives a secret away: %s", s)
	}
	return f
}

func done(t *testing.T, a mail.Answer, err error) {
	t.Helper()
	if err != nil || !a.Done || a.GmailID == "" {
		t.Fatalf("answer = %+v, %v; want done", a, err)
	}
}

func stored(t *testing.T, a mail.Answer, err error, want int64) {
	t.Helper()
	if err != nil || a.Done || a.Gone || a.Stored != want {
		t.Fatalf("answer = %+v, %v; want %d octets stored", a, err, want)
	}
}

var _ net.Listener = (*gmailtest.Pipe)(nil)
