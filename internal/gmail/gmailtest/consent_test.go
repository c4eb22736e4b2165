package gmailtest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// asking is a good request to the consent page, with changes.
func asking(changes url.Values) string {
	q := url.Values{"client_id": {gmailtest.DefaultClientID}, "redirect_uri": {"http://127.0.0.1:9/callback?x=1"}, "response_type": {"code"},
		"scope": {"openid email " + gmailtest.ScopeInsert + " " + gmailtest.ScopeLabels}, "state": {"s"},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}}
	maps.Copy(q, changes)
	return "/o/oauth2/v2/auth?" + q.Encode()
}

// answer posts the form and gives what the browser is sent back with.
func (s *site) answer(t *testing.T, address string, form url.Values) (int, url.Values) {
	t.Helper()
	code, h, _ := s.do(t, "POST", address, []byte(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	if h.Get("Location") == "" {
		return code, nil
	}
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host != "127.0.0.1:9" || u.Query().Get("x") != "1" || u.Query().Get("iss") != s.url {
		t.Fatalf("sent to %q", h.Get("Location"))
	}
	return code, u.Query()
}

func TestConsentPageOffersAccountsAndPermissions(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	s.SetConsent(gmailtest.Consent{Page: true})
	s.AddUser("b@example.org")
	code, h, page := s.do(t, "GET", asking(url.Values{"login_hint": {`<script>"@x`}}), nil)
	want(t, "page", code, 200)
	for _, text := range []string{`value="u@example.org"`, `value="b@example.org"`, "Add emails into your Gmail mailbox", "See and edit your email labels", `value="deny"`, "&lt;script&gt;"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page has no %s", text)
		}
	}
	if strings.Contains(page, "<script") || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page can be made to run a script: %v", h)
	}
	if n := strings.Count(page, " checked"); n != 3 {
		t.Errorf("checked = %d, want the hinted account and both permissions", n)
	}
	_, _, page = s.do(t, "GET", asking(url.Values{"scope": {"openid email"}}), nil)
	if strings.Contains(page, "checkbox") {
		t.Error("signing in has boxes to tick")
	}
}

func TestConsentPageTakesTheAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	s.SetConsent(gmailtest.Consent{Page: true})
	for name, c := range map[string]struct {
		change, form url.Values
		code         int
		error        string
	}{
		"yes":              {nil, url.Values{"email": {user}, "decision": {"allow"}}, 303, ""},
		"a new account":    {nil, url.Values{"email": {user}, "other": {"new@example.org"}, "decision": {"allow"}}, 303, ""},
		"no":               {nil, url.Values{"email": {user}, "decision": {"deny"}}, 303, "access_denied"},
		"neither":          {nil, url.Values{"email": {user}}, 303, "access_denied"},
		"no account":       {nil, url.Values{"decision": {"allow"}}, 400, ""},
		"another client":   {url.Values{"client_id": {"x"}}, url.Values{"email": {user}, "decision": {"allow"}}, 400, ""},
		"nowhere to go":    {url.Values{"redirect_uri": {"/callback"}}, url.Values{"email": {user}, "decision": {"allow"}}, 400, ""},
		"no PKCE":          {url.Values{"code_challenge": {""}}, url.Values{"email": {user}, "decision": {"allow"}}, 303, "invalid_request"},
		"a body too large": {nil, url.Values{"email": {strings.Repeat("x", 70000)}, "decision": {"allow"}}, 303, "invalid_request"},
	} {
		code, back := s.answer(t, asking(c.change), c.form)
		want(t, name, code, c.code)
		if back != nil && (back.Get("error") != c.error || (back.Get("code") == "") != (c.error != "") || back.Get("state") != "s") {
			t.Errorf("%s: sent back with %v", name, back)
		}
	}
}

func TestRotatedKeysArePublished(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	published := func() (kids []string) {
		_, _, body := s.do(t, "GET", "/oauth2/v3/certs", nil)
		var set struct{ Keys []struct{ Kid string } }
		if err := json.Unmarshal([]byte(body), &set); err != nil {
			t.Fatal(err)
		}
		for _, k := range set.Keys {
			kids = append(kids, k.Kid)
		}
		return kids
	}
	before := published()
	code, _, _ := s.do(t, "POST", "/_double/rotate", []byte(`{}`))
	want(t, "rotate", code, http.StatusNoContent)
	if after := published(); len(before) != 1 || len(after) != 2 || after[0] != before[0] {
		t.Errorf("keys = %v, then %v", before, after)
	}
	s.RotateKey(true)
	if after := published(); len(after) != 1 || after[0] == before[0] {
		t.Errorf("keys = %v, then %v", before, after)
	}
}
