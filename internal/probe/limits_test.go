package probe

import (
	"context"
	"strings"
	"testing"
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
	p := prober(loopback, 993)
	for range maxMany {
		p.slots <- struct{}{}
	}
	_, err := p.Test(t.Context(), id.New[id.User](), account.Mailbox{Protocol: "imap", Host: "127.0.0.1", Port: 993, Security: "tls",
		Username: "ann", Password: vault.NewSecret(password)}, nil)
	if f, _ := mail.AsFault(err); f == nil || f.Code != "busy" || f.Class != mail.RateLimited || f.Until.IsZero() {
		t.Errorf("Test: %v, want busy", err)
	}
}
