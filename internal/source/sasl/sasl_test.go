package sasl_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/sasl"
)

func offered(names ...string) func(string) bool {
	return func(name string) bool { return slices.Contains(names, name) }
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"XOAUTH2":     "user=a=b,c@d.example\x01auth=Bearer ya29.x\x01\x01",
		"OAUTHBEARER": "n,a=a=3Db=2Cc@d.example,\x01host=imap.d.example\x01port=993\x01auth=Bearer ya29.x\x01\x01", // RFC 7628 4.1, RFC 5801 4
	} {
		m, ok := sasl.Bearer(offered("PLAIN", name))
		if !ok || m.Name != name {
			t.Fatalf("a server with %s: %q, %v", name, m.Name, ok)
		}
		if got := m.Message("a=b,c@d.example", "imap.d.example", 993, "ya29.x"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if m, _ := sasl.Bearer(offered("OAUTHBEARER", "XOAUTH2")); m.Name != "XOAUTH2" {
		t.Errorf("of both: %s", m.Name)
	}
	if _, ok := sasl.Bearer(offered("PLAIN", "LOGIN")); ok {
		t.Error("a password's mechanism takes a token")
	}
}

func TestOnlyKnownWordsAreReadFromAChallenge(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		`{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}`: "401",
		`{"status":"invalid_token","scope":"mail"}`:                                  "invalid_token",
		`{"status":"CANARY"}`: "", `{"status":401}`: "", "{": "", "": "",
		`{"status":"401","x":"` + strings.Repeat("x", 5<<10) + `"}`: "",
	} {
		if got := sasl.Status(base64.StdEncoding.EncodeToString([]byte(said))); got != want {
			t.Errorf("%.60q: %q, want %q", said, got, want)
		}
	}
	if sasl.Status("not base64!") != "" {
		t.Error("what is not base64 says something")
	}
}

func TestARefusalWithARemedyKeepsIt(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"not_authorized", "contact_admin", "web_login_required"} {
		f := sasl.Explain(&mail.Fault{Class: mail.Login, Code: code, Help: "the remedy"}, "IMAP", "403")
		if f.Code != code || f.Help != "the remedy" || sasl.IsStale(f) {
			t.Errorf("%s became %s: %s", code, f.Code, f.Help)
		}
	}
	limit := sasl.Explain(&mail.Fault{Class: mail.RateLimited, Code: "auth_failed"}, "IMAP", "")
	if limit.Code != "auth_failed" {
		t.Error("a limit became a refusal")
	}
}
