package risc_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
)

// inbox remembers what it took.
type inbox struct {
	mu    sync.Mutex
	taken map[string][]risc.Event
	fail  error
}

func (b *inbox) Take(_ context.Context, jti string, events []risc.Event) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return false, b.fail
	}
	if _, known := b.taken[jti]; known {
		return false, nil
	}
	b.taken[jti] = events
	return true, nil
}

func (b *inbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.taken)
}

type world struct {
	l *gmailtest.Listening
	r *risc.Receiver
	b *inbox
}

func newWorld(t *testing.T, others ...string) *world {
	t.Helper()
	l, err := gmailtest.Start(gmailtest.Options{}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return assemble(t, l, &http.Transport{}, others...)
}

func assemble(t *testing.T, l *gmailtest.Listening, tr http.RoundTripper, others ...string) *world {
	t.Helper()
	p, err := oauth.New(oauth.Options{Issuer: l.URL, ClientID: gmailtest.DefaultClientID, Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	b := &inbox{taken: map[string][]risc.Event{}}
	return &world{l, risc.New(p, b, others...), b}
}

// event signs an event of the double's issuer.
func (w *world) event(e gmailtest.Event) []byte {
	if e.Issuer == "" {
		e.Issuer = w.l.URL + "/"
	}
	if e.Type == "" {
		e.Type = "tokens-revoked"
	}
	if e.Email == "" && e.Token == "" {
		e.Email = user
	}
	return []byte(w.l.SignEvent(e))
}
