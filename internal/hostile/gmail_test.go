package hostile

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// gmail takes everything and remembers what it got: bridge.Importer.
type gmail struct {
	mu       sync.Mutex
	sessions map[string]*upload
	got      map[[32]byte]int
	until    time.Time // refuses everything before
	refused  int
}

type upload struct {
	sum    hash.Hash
	stored int64
	done   bool
}

func newGmail() *gmail {
	return &gmail{sessions: make(map[string]*upload), got: make(map[[32]byte]int)}
}

// copies counts a message's.
func (g *gmail) copies(raw []byte) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got[sha256.Sum256(raw)]
}

// total counts all messages.
func (g *gmail) total() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.got {
		n += c
	}
	return n
}

// refuse answers 429 for so long.
func (g *gmail) refuse(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = time.Now().Add(d)
}

func (g *gmail) refusals() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

func (g *gmail) Open(context.Context, mail.Upload) (vault.Secret, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.Before(g.until) {
		g.refused++
		return vault.Secret{}, &mail.Fault{Class: mail.RateLimited, Scope: "user", Code: "gmail_rate",
			Text: "Gmail takes no more for now"}
	}
	uri := fmt.Sprint("session-", len(g.sessions))
	g.sessions[uri] = &upload{sum: sha256.New()}
	return vault.NewSecret(uri), nil
}

func (g *gmail) Put(_ context.Context, uri vault.Secret, c mail.Chunk) (mail.Answer, error) {
	g.mu.Lock()
	u := g.sessions[uri.RevealString()]
	g.mu.Unlock()
	in := sha256.New()
	if u.stored > 0 {
		in, _ = u.sum.(hash.Cloner).Clone()
	}
	n, err := io.Copy(in, io.LimitReader(c.Body, c.Length))
	if err != nil || n != c.Length {
		return mail.Answer{}, &mail.Fault{Class: mail.Unknown, Code: "gmail_unavailable", Text: "torn", Err: err}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !u.done && c.Offset == u.stored {
		u.stored, u.sum = u.stored+n, in
	}
	if !u.done && u.stored == c.Total {
		u.done = true
		g.got[[32]byte(u.sum.Sum(nil))]++
	}
	return u.answer(), nil
}

func (u *upload) answer() mail.Answer {
	if u.done {
		return mail.Answer{Done: true, GmailID: "id"}
	}
	return mail.Answer{Stored: u.stored}
}

func (g *gmail) Query(_ context.Context, uri vault.Secret, _ int64) (mail.Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sessions[uri.RevealString()].answer(), nil
}

func (g *gmail) Label(_ context.Context, name string) (string, error) { return "Label_" + name, nil }
