package discover

import (
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestAddressIsReadInBothForms(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]address{
		"ann@example.com":            {"ann", "example.com", "example.com"},
		"  Ann.B+x@Example.COM.\n":   {"Ann.B+x", "example.com", "example.com"},
		"ann@münchen.example":        {"ann", "münchen.example", "xn--mnchen-3ya.example"},
		"jörg@mail.example.co.uk":    {"jörg", "mail.example.co.uk", "mail.example.co.uk"},
		"100%@example.com":           {"100%", "example.com", "example.com"},
		"ann@xn--mnchen-3ya.eXample": {"ann", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example"},
	} {
		if got, err := parseAddress(typed); err != nil || got != want {
			t.Errorf("parseAddress(%q) = %+v, %v; want %+v", typed, got, err, want)
		}
	}
}

func TestBadAddressIsOneFaultThatNamesTheField(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"", " ", "ann", "@example.com", "ann@", "ann@example", "ann@@example.com", "a@b@example.com",
		"ann@127.0.0.1", "ann@[127.0.0.1]", "ann@[::1]", "ann@2130706433", "ann@0x7f.1", "ann@１２７.０.０.１",
		"ann@exa mple.com", "ann\r\nDELE 1@example.com", "ann@example.com\x00.org", "ann@-example.com", "ann@example..com",
		"Ann <ann@example.com>", `"ann"@example.com`, "ann@example.com/x", "ann@example.com:993", "ann@example.com?x=y",
		"a\xff@example.com", strings.Repeat("a", 65) + "@example.com", "ann@" + strings.Repeat("a.", 150) + "com",
	} {
		got, err := parseAddress(typed)
		f, ok := mail.AsFault(err)
		if !ok || f.Class != mail.Setup || f.Code != "address_invalid" || !strings.Contains(f.Text, "address") || f.Help == "" {
			t.Errorf("parseAddress(%q) = %+v, %v; want a fault about the address", typed, got, err)
		}
		if name := strings.TrimSpace(typed); len(name) > 9 && f != nil && strings.Contains(f.Text, name) {
			t.Errorf("the fault repeats the address: %s", f)
		}
	}
}

func TestUserNamePatternsAreFilledIn(t *testing.T) {
	t.Parallel()
	a, err := parseAddress("Ann@Example.com")
	if err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		"%EMAILADDRESS%":                 "Ann@example.com",
		"%EMAILLOCALPART%":               "Ann",
		"%EMAILLOCALPART%.%EMAILDOMAIN%": "Ann.example.com",
		"":                               "Ann@example.com",
		"bob":                            "Ann@example.com", // somebody else's name for everybody
		"%REALNAME%":                     "Ann@example.com",
		"%EMAILLOCALPART%%REALNAME%":     "Ann@example.com",
		"%EMAILLOCALPART%\r\nDELE 1":     "Ann@example.com",
	} {
		if got := a.expand(pattern); got != want {
			t.Errorf("expand(%q) = %q, want %q", pattern, got, want)
		}
	}
}
