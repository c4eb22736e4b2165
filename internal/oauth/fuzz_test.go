package oauth

import (
	"net/url"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Wherever LocalPath sends a browser, it stays on this site.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/", "/a?b=c", "//e.example", `/\e.example`, "/%2fe.example", "/\t/e", "/..//e", "https://e.example"} {
		f.Add(s)
	}
	base := &url.URL{Scheme: "https", Host: "here.example", Path: "/"}
	f.Fuzz(func(t *testing.T, s string) {
		got := LocalPath(s)
		u, err := base.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "here.example" || strings.ContainsAny(got, "\\\r\n\t ") || strings.HasPrefix(got, "//") {
			t.Errorf("LocalPath(%q) = %q", s, got)
		}
	})
}

func FuzzCookie(f *testing.F) {
	s := newSealer(vault.NewSecret(strings.Repeat("k", 32)))
	good := s.seal(Flow{State: "s", Verifier: vault.NewSecret("v")})
	for _, c := range []string{good, "", good[1:], good + "A", "AAAA"} {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, c string) {
		// A cookie that opens is one that was sealed, by whichever process.
		if flow, ok := s.open(c); ok && (flow.State != "s" || flow.Verifier.RevealString() != "v") {
			t.Errorf("%q was opened: %+v", c, flow)
		}
	})
}
