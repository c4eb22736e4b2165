package sim

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

// gmail is one user's account at Google, with upload sessions as the fact
// sheet has them. It outlives every process.
type gmail struct {
	w    *world
	u    *user
	name string

	mu       sync.Mutex
	sessions map[string]*upload
	granted  bool
	until    time.Time // refuses everything before
}

// upload is one session: what it holds is known by its hash alone.
type upload struct {
	opened time.Time
	labels []string
	stored int64
	sum    hash.Hash
	done   bool
	gone   bool
}

const (
	sessionLife = 7 * 24 * time.Hour
	chunk       = 256 << 10
	importUnits = 25
)

// uplink is the gmail of one process.
type uplink struct {
	*gmail
	p *process
}

// at passes a step of Gmail, and gives the refusal if it is refused.
func (g *uplink) at(ctx context.Context, at step) (fault, error) {
	if err := g.p.pause(ctx, 4*roundTrip); err != nil {
		return none, err
	}
	now := time.Now()
	f := g.w.faults.strike(g.name, at, nil)
	g.u.tell(string(at), string(f))
	switch f {
	case stall:
		g.w.budget.disturbed(g.u)
		if err := g.p.pause(ctx, 2*patience); err != nil {
			return none, err
		}
		return none, g.unavailable(at, "the answer did not come")
	case freeze:
		if err := g.p.freeze(ctx); err != nil {
			return none, err
		}
		return none, g.unavailable(at, "the connection was lost")
	case rateNamed:
		return none, refusal("user", now.Add(5*time.Minute))
	case rateBare:
		return none, refusal("user", time.Time{})
	case rateHour:
		g.mu.Lock()
		g.until = now.Add(time.Hour)
		g.mu.Unlock()
	case busy:
		return none, g.unavailable(at, "503")
	case revoke:
		g.revoke()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case now.Before(g.until):
		return none, refusal("user", time.Time{})
	case !g.granted:
		return none, &mail.Fault{Class: mail.Revoked, Code: "grant_revoked", Text: "the grant is gone"}
	}
	return f, nil
}

func (g *gmail) isGranted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.granted
}

func (g *gmail) revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.granted = false
}

// connect is what the user does to have mail imported again.
func (g *gmail) connect() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.granted = true
}

// refusal has a time only where Gmail names one.
func refusal(scope string, until time.Time) error {
	return &mail.Fault{Class: mail.RateLimited, Scope: scope, Code: "gmail_rate", Text: "Gmail's limit is reached", Until: until}
}

// unavailable is a request without a clear answer: only a session can have
// taken something all the same.
func (g *uplink) unavailable(at step, why string) error {
	f := &mail.Fault{Class: mail.Transient, Code: "gmail_unavailable", Text: why}
	if at != "open" {
		f.Class = mail.Unknown
	}
	return f
}

// Open implements bridge.Importer.
func (g *uplink) Open(ctx context.Context, told mail.Upload) (vault.Secret, error) {
	if _, err := g.at(ctx, "open"); err != nil {
		return vault.Secret{}, err
	}
	if err := g.w.budget.take(g.u, importUnits); err != nil {
		return vault.Secret{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	uri := fmt.Sprint("session-", len(g.sessions))
	g.sessions[uri] = &upload{opened: time.Now(), labels: told.LabelIDs, sum: sha256.New()}
	return vault.NewSecret(uri), nil
}

// session finds one that has not expired; g.mu is held.
func (g *gmail) session(uri vault.Secret) *upload {
	u := g.sessions[uri.RevealString()]
	if u == nil {
		return &upload{gone: true}
	}
	if !u.gone && time.Since(u.opened) > sessionLife {
		g.forget(u)
	}
	return u
}

// forget makes a session expire; g.mu is held.
func (g *gmail) forget(u *upload) {
	if !u.gone {
		u.gone = true
		g.u.expired.Add(1)
	}
}

func (u *upload) answer() mail.Answer {
	switch {
	case u.gone:
		return mail.Answer{Gone: true}
	case u.done:
		return mail.Answer{Done: true, GmailID: "id"}
	}
	return mail.Answer{Stored: u.stored}
}

// Put implements bridge.Importer.
func (g *uplink) Put(ctx context.Context, uri vault.Secret, c mail.Chunk) (mail.Answer, error) {
	f, err := g.at(ctx, "put")
	if err != nil {
		return mail.Answer{}, err
	}
	g.mu.Lock()
	u := g.session(uri)
	var in hash.Hash = sha256.New()
	if u.stored == c.Offset && !u.done && !u.gone {
		in, _ = u.sum.(hash.Cloner).Clone() // of this package: cannot fail
	}
	g.mu.Unlock()
	// The octets flow without the lock: reading them may block.
	limit := c.Length
	if f == partial {
		limit = limit / 2 / chunk * chunk
	}
	n, bodyErr := io.CopyN(in, c.Body, limit)
	if _, err := io.CopyN(io.Discard, c.Body, c.Length-limit); bodyErr == nil {
		bodyErr = err
	}
	if err := g.p.alive(ctx); err != nil {
		return mail.Answer{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if f == expire {
		g.forget(u)
	}
	switch {
	case f == lostBefore:
		return mail.Answer{}, g.unavailable("put", "the connection was lost")
	case u.gone || u.done:
		return u.answer(), nil
	case bodyErr != nil: // torn before its last octet; Gmail keeps whole chunks at best
		return mail.Answer{}, g.unavailable("put", "torn")
	case u.stored == c.Offset:
		u.stored, u.sum = u.stored+n, in
	}
	if u.stored == c.Total {
		if err := g.commit(u); err != nil {
			return mail.Answer{}, err
		}
	}
	if f == lostAfter {
		return mail.Answer{}, g.unavailable("put", "the answer was lost")
	}
	return u.answer(), nil
}

// commit makes a message of what the session holds; g.mu is held.
func (g *gmail) commit(u *upload) error {
	t := g.w.arrived(seal(u.sum.Sum(nil)))
	if t.poison {
		g.forget(u)
		g.u.expired.Add(-1)
		return &mail.Fault{Class: mail.Refused, Code: "gmail_invalid_from", Text: "Gmail refused the message"}
	}
	u.done = true
	g.w.imported(t)
	g.w.budget.carry(g.u, u.stored)
	return nil
}

// Query implements bridge.Importer.
func (g *uplink) Query(ctx context.Context, uri vault.Secret, _ int64) (mail.Answer, error) {
	f, err := g.at(ctx, "query")
	if err != nil {
		return mail.Answer{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.session(uri)
	if f == expire {
		g.forget(u)
	}
	return u.answer(), nil
}

// Label implements bridge.Importer.
func (g *uplink) Label(ctx context.Context, name string) (string, error) {
	if err := g.p.alive(ctx); err != nil {
		return "", err
	}
	return "Label_" + name, nil
}

// heal ends a refusal for an hour.
func (g *gmail) heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = time.Time{}
}
