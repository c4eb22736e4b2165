package session_test

import (
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/session/sessiontest"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestMemoryKeepsTheRulesOfSessions(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, func(*testing.T) sessiontest.World { return &world{} })
}

type world struct{ m session.Memory }

func (w *world) Store(*testing.T) sessiontest.Store { return &w.m }
func (w *world) User(*testing.T) id.User            { return id.New[id.User]() }
func (w *world) Wipe(_ *testing.T, u id.User)       { w.m.ForgetUser(u) }
func (w *world) Reopen(*testing.T)                  {}
func (w *world) Count(*testing.T) int               { return w.m.Count() }

func TestCookieIsThirtyTwoRandomOctets(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		c := session.NewCookie()
		if text := c.RevealString(); len(text) != 43 || seen[text] || !session.IsCookie(c) {
			t.Fatalf("cookie = %q", text)
		}
		seen[c.RevealString()] = true
	}
	// The last of 43 digits has two bits that mean nothing: one text, one cookie.
	if session.IsCookie(vault.NewSecret(strings.Repeat("A", 42) + "B")) {
		t.Error("a text that stands for the octets of another was accepted")
	}
}

func TestCSRFTokenIsOfItsSession(t *testing.T) {
	t.Parallel()
	a, b := session.NewCookie(), session.NewCookie()
	token := session.CSRF(a)
	if token != session.CSRF(a) || !session.CheckCSRF(a, token) {
		t.Error("the token of a session is not accepted")
	}
	if strings.Contains(token, a.RevealString()) {
		t.Error("the token shows the cookie")
	}
	for _, wrong := range []string{"", token + "A", token[1:], session.CSRF(b), a.RevealString()} {
		if session.CheckCSRF(a, wrong) {
			t.Errorf("%q was accepted", wrong)
		}
	}
	if session.CheckCSRF(vault.Secret{}, session.CSRF(vault.Secret{})) {
		t.Error("without a cookie there is no token")
	}
}

func TestMistypedTokenIsKnownWithoutALook(t *testing.T) {
	t.Parallel()
	for range 50 {
		text := session.NewTokenText().RevealString()
		if !strings.HasPrefix(text, "smtps_") || len(text) != 55 || !session.IsToken(vault.NewSecret(text)) {
			t.Fatalf("token = %q", text)
		}
		for i := len("smtps_"); i < len(text); i++ {
			b := []byte(text)
			if b[i]++; session.IsToken(vault.NewSecret(b)) {
				t.Fatalf("%q was accepted for %q", b, text)
			}
		}
		b := []byte(text)
		if b[7], b[8] = b[8], b[7]; b[7] != b[8] && session.IsToken(vault.NewSecret(b)) {
			t.Fatalf("%q was accepted for %q", b, text)
		}
	}
	for _, wrong := range []string{"", "smtps_", "smtps_" + strings.Repeat("z", 49), "smtps_" + strings.Repeat("é", 49)} {
		if session.IsToken(vault.NewSecret(wrong)) {
			t.Errorf("%q was accepted", wrong)
		}
	}
}

func TestScopesAreAClosedSet(t *testing.T) {
	t.Parallel()
	all := []string{"mailboxes:read", "mailboxes:write", "audit:read", "rules:write", "account:write"}
	s, err := session.ParseScopes(all)
	if err != nil || strings.Join(s.Names(), " ") != strings.Join(all, " ") {
		t.Errorf("scopes = %v (%v), want %v", s.Names(), err, all)
	}
	if s, err = session.ParseScopes([]string{"audit:read", "audit:read"}); err != nil || s != session.AuditRead {
		t.Errorf("scopes = %v (%v)", s.Names(), err)
	}
	if !s.Has(session.AuditRead) || s.Has(session.AuditRead|session.RulesWrite) || s.Has(session.AccountWrite) {
		t.Errorf("%v has what it has not", s.Names())
	}
	for _, wrong := range [][]string{nil, {}, {""}, {"audit:write"}, {"audit:read", "Audit:read"}, {"*"}} {
		if s, err := session.ParseScopes(wrong); err == nil {
			t.Errorf("%q = %v, want a fault", wrong, s.Names())
		}
	}
}

func TestClientHasANameOutOfASmallSet(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0":                                                           "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36 Edg/129.0.0.0":    "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36":                  "Chrome on Android",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15":            "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/129.0 Mobile Safari/604.1":  "Chrome on iPhone",
		"":                              "A browser",
		"<script>alert(1)</script>":     "A browser",
		strings.Repeat("x", 1<<16) + "": "A browser",
	} {
		if got := session.ClientName(agent); got != want {
			t.Errorf("%.60q = %q, want %q", agent, got, want)
		}
	}
}
