package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestCallerThatGoesAwayEndsTheTest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	box := script(t, &imapd.Script{On: func(w *imapd.Wire, c imapd.Command) bool {
		if c.Name == "AUTHENTICATE" {
			cancel()
			return true
		}
		return false
	}})
	p := prober(loopback, uint16(box.Port))
	user := id.New[id.User]()
	_, err := p.Test(ctx, user, box, nil)
	if f, _ := mail.AsFault(err); f == nil || f.Code != "cancelled" {
		t.Errorf("Test: %v, want cancelled", err)
	}
	if len(p.limiter.failed) != 1 {
		t.Error("a guess whose answer nobody waited for was not counted")
	}
}

func TestGuessesAreCountedAndRefusedBeforeTheyReachTheServer(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{On: answer("AUTHENTICATE", "TAG NO [AUTHENTICATIONFAILED] no\r\n")}
	box := script(t, s)
	p := prober(loopback, uint16(box.Port))
	for i := range 12 {
		user := id.New[id.User]() // another one each time: the account is what counts
		got, err := p.Test(t.Context(), user, box, nil)
		if i < 10 && (err != nil || last(t, got).Code != "auth_failed") {
			t.Fatalf("guess %d: %+v, %v", i, got, err)
		}
		if f, _ := mail.AsFault(err); i >= 10 && (f == nil || f.Class != mail.RateLimited || f.Code != "too_many_guesses" || time.Until(f.Until) < 59*time.Minute) {
			t.Errorf("guess %d: %+v, %v", i, got, err)
		}
	}
	guesses := 0
	for _, line := range s.Log() {
		if strings.HasPrefix(line, "AUTHENTICATE") {
			guesses++
		}
	}
	if guesses != 10 {
		t.Errorf("the server saw %d guesses, want 10", guesses)
	}
}

func TestOnlyFailedLoginsAreCounted(t *testing.T) {
	t.Parallel()
	for name, box := range map[string]account.Mailbox{
		"good":       maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{}),
		"tls":        maildrop(t, "tls", ca.Expired("127.0.0.1"), pop3d.Faults{}),
		"list":       maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{Stat: "many"}),
		"capability": maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{CutAt: "CAPA"}),
	} {
		p := prober(loopback, uint16(box.Port))
		if _, err := p.Test(t.Context(), id.New[id.User](), box, nil); err != nil || len(p.limiter.counts) > 0 {
			t.Errorf("%s: %v, counted %v", name, err, p.limiter.counts)
		}
	}
}

func TestTestsAtATimeAreLimited(t *testing.T) {
	t.Parallel()
	good := maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{})
	p := prober(loopback, uint16(good.Port))
	ctx, cancel := context.WithCancel(t.Context())
	var under sync.WaitGroup
	defer under.Wait()
	defer cancel()
	busy := func(user id.User) bool {
		_, err := p.Test(t.Context(), user, good, nil)
		f, _ := mail.AsFault(err)
		if f != nil && (f.Code != "busy" || f.Class != mail.RateLimited || f.Until.IsZero()) {
			t.Errorf("Test: %v, want busy", err)
		}
		return err != nil
	}
	fill := func(n int, user id.User) {
		for range n {
			leave, err := p.enter(user)
			if err != nil {
				t.Fatal(err)
			}
			under.Go(func() { <-ctx.Done(); leave() })
		}
	}
	greedy := id.New[id.User]()
	fill(maxOwn, greedy)
	if !busy(greedy) || busy(id.New[id.User]()) {
		t.Error("who tests too many at a time is not held back, or others are")
	}
	for range maxMany/maxOwn - 1 {
		fill(maxOwn, id.New[id.User]())
	}
	if !busy(id.New[id.User]()) {
		t.Error("more are under way than there are places")
	}
	cancel()
	under.Wait()
	if busy(greedy) || len(p.own) != 0 {
		t.Errorf("places are not given back: %v", p.own)
	}
}

func TestKeptPasswordsAreGuessesToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{})
		p := New(nil, l)
		eve, box := id.New[id.User](), account.Mailbox{Host: "h.example", Username: "bob"}
		kept := 0
		for i := range 50 {
			if p.Admit(eve, box) != nil {
				break
			}
			kept++
			for range 3 { // as the engine does
				l.Failed(eve, box.Host, box.Username, vault.NewSecret(fmt.Sprint("guess", i)))
			}
		}
		if kept != 10 {
			t.Errorf("%d guesses, want 10", kept)
		}
		if try(l, eve, "h.example", "bob", true) {
			t.Error("a test may go on where a mailbox may not")
		}
		for i := range 200 { // one password for many accounts
			box.Username = fmt.Sprint("user", i)
			if p.Admit(eve, box) == nil {
				kept++
				l.Failed(eve, box.Host, box.Username, vault.NewSecret("123456"))
			}
		}
		if kept != 20 {
			t.Errorf("%d guesses at one host, want 20", kept)
		}
		if err := p.Admit(id.New[id.User](), box); err != nil {
			t.Errorf("another user: %v", err)
		}
		time.Sleep(window)
		if err := p.Admit(eve, box); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

// A mailbox that is opened with tokens is tried with the one that is there; one
// that is refused is nobody's guess.
func TestTokensAreTriedAndAreNoGuesses(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"imap", "pop3"} {
		var box account.Mailbox
		if protocol == "pop3" {
			box = maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{})
		} else {
			srv := imapd.New(imapd.Options{TLS: ca.ServerConfig("127.0.0.1")})
			t.Cleanup(func() { _ = srv.Close() })
			srv.AddUser("ann@example.com", password)
			addr, err := srv.ListenTLS()
			if err != nil {
				t.Fatal(err)
			}
			box = at(t, "imap", "tls", addr)
		}
		p, user := prober(loopback, uint16(box.Port)), id.New[id.User]()
		box.Password = vault.Secret{}
		box.Consent.Provider = "home"
		_, err := p.Test(t.Context(), user, box, nil)
		if f, ok := mail.AsFault(err); !ok || f.Code != "consent_missing" {
			t.Errorf("%s without a token: %v", protocol, err)
		}
		box.Consent.Access = vault.NewSecret(password) // what the double takes for one
		if r, err := p.Test(t.Context(), user, box, nil); err != nil || !r.OK {
			t.Errorf("%s: %+v, %v", protocol, r, err)
		}
		box.Consent.Access = vault.NewSecret("ended")
		r, err := p.Test(t.Context(), user, box, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s := last(t, r); s.Name != "login" || s.Code != "token_refused" || !strings.Contains(s.Help, "switched off") {
			t.Errorf("%s: %+v", protocol, s)
		}
		if n := len(p.limiter.failed); n != 0 {
			t.Errorf("%s: %d guesses", protocol, n)
		}
	}
}
