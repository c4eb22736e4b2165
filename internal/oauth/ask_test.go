package oauth_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
)

func TestReturnPathStaysOnThisSite(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/": "/", "/mailboxes/7?x=1&y=%2F#": "/mailboxes/7?x=1&y=%2F#", "/a/": "/a/", "/audit?next=https://e.example": "/audit?next=https://e.example",
		"": "/", "mailboxes": "/", "https://e.example/": "/", "//e.example": "/", "//e.example/x": "/", "//u@e.example/x": "/", "///e.example": "/", `/\e.example`: "/", `\\e.example`: "/",
		"/\t/e.example": "/", "/\n/e": "/", "/%5ce.example": "/", "/%2fe.example": "/", "/%2f": "/", "/a//e.example": "/", "/..//e.example": "/", "/a/../b": "/",
		"/./": "/", "javascript:alert(1)": "/", "/a#b": "/a#b", "/ä": "/", "/a b": "/", `/a?b=\c`: "/", "/%zz": "/", "/a\x00": "/", "/" + strings.Repeat("a", 600): "/",
	} {
		if got := oauth.LocalPath(in); got != want {
			t.Errorf("LocalPath(%q) = %q, want %q", in, got, want)
		}
	}
	if a := oauth.AskIdentity(redirect, "//e.example"); a.Return != "/" {
		t.Error("AskIdentity takes any path")
	}
	if a := oauth.AskGrant(redirect, oauth.Identity{}, false, "//e.example"); a.Return != "/" {
		t.Error("AskGrant takes any path")
	}
}

func TestIdentityAsksForNothingButWhoItIs(t *testing.T) {
	t.Parallel()
	_, p := double(t, gmailtest.Options{})
	address, _, err := p.Visits(flowKey, nil).Begin(t.Context(), oauth.AskIdentity(redirect, "/"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("scope") != "openid email" || q.Has("access_type") || q.Has("prompt") || q.Has("include_granted_scopes") {
		t.Errorf("asked: %v", q)
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 20 {
			t.Errorf("%s = %q", name, q.Get(name))
		}
	}
	if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" {
		t.Errorf("asked: %v", q)
	}
}

func TestGrantAsksForALastingPermissionToAddMail(t *testing.T) {
	t.Parallel()
	_, p := double(t, gmailtest.Options{})
	for _, wanted := range []bool{false, true} {
		scope := "openid email " + oauth.ScopeInsert
		if wanted {
			scope += " " + oauth.ScopeLabels
		}
		address, _, err := p.Visits(flowKey, nil).Begin(t.Context(), oauth.AskGrant(redirect, oauth.Identity{Sub: "1", Email: user}, wanted, "/"))
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(address)
		for name, want := range map[string]string{"scope": scope, "access_type": "offline", "prompt": "consent", "include_granted_scopes": "true", "login_hint": user} {
			if got := u.Query().Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
	}
}
