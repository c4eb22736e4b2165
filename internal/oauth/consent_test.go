package oauth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/testkit/tokend"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

const sourceRedirect = "http://127.0.0.1:9/auth/source/home/callback"

// home is a provider with our client in it.
func home(t *testing.T, o tokend.Options) (*tokend.Server, *oauth.Clients) {
	t.Helper()
	s := tokend.Start(t, o)
	c, err := oauth.ReadClients(clientFile(t, fmt.Sprintf(`{"providers": [{"id": "home", "name": "Home", "hosts": ["home.example"], "client_id": %q, "client_secret": %q,
		"authorization": "%s/authorize", "token": "%s/token", "scopes": {"imap": [%q, "offline_access"], "pop3": [%q]}}]}`,
		tokend.ClientID, tokend.ClientSecret, s.URL, s.URL, tokend.ScopeIMAP, tokend.ScopePOP)), &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// allow goes to the page and says yes: what comes back.
func allow(t *testing.T, s *tokend.Server, address, user string) url.Values {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(address, url.Values{"answer": {"allow"}, "user": {user}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil || !strings.HasPrefix(back.String(), sourceRedirect) {
		t.Fatalf("%s at the page: %v, %v", resp.Status, back, err)
	}
	return back.Query()
}

// consentFault checks a Fault, which gives nothing away.
func consentFault(t *testing.T, err error, class mail.Class, code string) *mail.Fault {
	t.Helper()
	f, ok := mail.AsFault(err)
	if !ok || f.Class != class || f.Code != code || f.Help == "" {
		t.Fatalf("error = %v, want class %d, code %s and a remedy", err, class, code)
	}
	if all := fmt.Sprintf("%v %+v %v", f, *f, f.Err); strings.Contains(all, "CANARY") || strings.Contains(all, "refresh-") || strings.Contains(all, tokend.ClientSecret) {
		t.Errorf("the fault gives something away: %s", all)
	}
	return f
}

func TestAConsentOpensTheMailbox(t *testing.T) {
	t.Parallel()
	s, c := home(t, tokend.Options{Redirect: sourceRedirect})
	address, visit := c.Get("home").Begin(sourceRedirect, "imap", "ann@home.example")
	got, err := c.End(t.Context(), "home", visit, allow(t, s, address, "ann@home.example"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Provider != "home" || got.Refresh.Empty() || !s.Good(got.Access.RevealString(), "ann@home.example") || time.Until(got.Ends) < 50*time.Minute {
		t.Errorf("got %+v", got)
	}
	if asked := s.Asked(); len(asked) != 0 { // a form was posted, the page was not looked at
		t.Error(asked)
	}
}

// An answer is good once, for the visit that began it, and for ten minutes; and
// nobody on the way reads another value than we do.
func TestForeignAnswersAreRefused(t *testing.T) {
	t.Parallel()
	s, c := home(t, tokend.Options{})
	begin := func() (vault.Secret, url.Values) {
		address, visit := c.Get("home").Begin(sourceRedirect, "imap", "ann")
		return visit, allow(t, s, address, "ann")
	}
	end := func(id string, visit vault.Secret, q url.Values) error {
		_, err := c.End(t.Context(), id, visit, q)
		return err
	}
	visit, good := begin()
	_, other := begin()
	late := vault.NewSecret(strings.Replace(visit.RevealString(), `"Ends":1`, `"Ends":0`, 1))
	for name, err := range map[string]error{
		"another's state":  end("home", visit, other),
		"no state":         end("home", visit, url.Values{"code": good["code"]}),
		"two codes":        end("home", visit, url.Values{"state": good["state"], "code": {"a", "b"}}),
		"no visit":         end("home", vault.Secret{}, good),
		"another provider": end("google", visit, good),
		"too late":         end("home", late, good),
	} {
		if f := consentFault(t, err, mail.Grant, "consent_callback"); f == nil {
			t.Error(name)
		}
	}
	if err := end("home", visit, good); err != nil {
		t.Fatalf("what was refused has used the answer up: %v", err)
	}
	// The provider takes no code twice either, and is not asked.
	if f := consentFault(t, end("home", visit, good), mail.Grant, "consent_callback"); !strings.Contains(f.Text, "used already") {
		t.Errorf("the provider was asked again: %v", f)
	}
}

func TestWhatAProviderRefusesIsSaidInWords(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		o     tokend.Options
		query url.Values // in place of the code
		class mail.Class
		code  string
	}{
		"the person said no":    {query: url.Values{"error": {"access_denied"}}, class: mail.Grant, code: "consent_denied"},
		"an administrator does": {query: url.Values{"error": {"consent_required"}}, class: mail.Grant, code: "consent_denied"},
		"our client":            {query: url.Values{"error": {"unauthorized_client"}}, class: mail.Setup, code: "oauth_client"},
		"its page is down":      {query: url.Values{"error": {"server_error"}}, class: mail.Transient, code: "consent_unreachable"},
		"nonsense":              {query: url.Values{"error": {"CANARY"}}, class: mail.Transient, code: "consent_unreachable"},
		"no code":               {query: url.Values{}, class: mail.Grant, code: "consent_callback"},
		"its client's secret":   {o: tokend.Options{Fail: "invalid_client", Status: 401}, class: mail.Setup, code: "oauth_client"},
		"a stale code":          {o: tokend.Options{Fail: "invalid_grant"}, class: mail.Grant, code: "consent_callback"},
		"it is down":            {o: tokend.Options{Fail: "x", Status: 503}, class: mail.Transient, code: "consent_unreachable"},
		"nothing lasting":       {o: tokend.Options{NoLong: true}, class: mail.Setup, code: "consent_brief"},
		"an unticked box":       {o: tokend.Options{Scope: "openid offline_access"}, class: mail.Grant, code: "consent_too_small"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := home(t, one.o)
			address, visit := c.Get("home").Begin(sourceRedirect, "imap", "ann")
			back := allow(t, s, address, "ann")
			if one.query != nil {
				one.query.Set("state", back.Get("state"))
				back = one.query
			}
			_, err := c.End(t.Context(), "home", visit, back)
			consentFault(t, err, one.class, one.code)
		})
	}
}

var _ oauth.Shelf = (*account.Memory)(nil)
