package oauth_test

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Every check of the ID token, with a token that fails it alone.
func TestIDTokenThatIsNotForThisSignInIsRefused(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for name, c := range map[string]struct {
		tamper func(header, claims map[string]any)
		code   string // "" is good
	}{
		"as Google makes it":      {func(_, _ map[string]any) {}, ""},
		"no signature":            {func(h, _ map[string]any) { h["alg"] = "none" }, "grant_callback"},
		"HS256 with the key":      {func(h, _ map[string]any) { h["alg"] = "HS256" }, "grant_callback"},
		"PS256":                   {func(h, _ map[string]any) { h["alg"] = "PS256" }, "grant_callback"},
		"unknown key":             {func(h, _ map[string]any) { h["kid"] = "x" }, "grant_callback"},
		"another issuer":          {func(_, c map[string]any) { c["iss"] = "https://accounts.example" }, "grant_callback"},
		"another audience":        {func(_, c map[string]any) { c["aud"] = "somebody" }, "grant_callback"},
		"two audiences, no azp":   {func(_, c map[string]any) { c["aud"] = []string{gmailtest.DefaultClientID, "x"}; c["azp"] = nil }, "grant_callback"},
		"two audiences and azp":   {func(_, c map[string]any) { c["aud"] = []string{gmailtest.DefaultClientID, "x"} }, ""},
		"another azp":             {func(_, c map[string]any) { c["azp"] = "somebody" }, "grant_callback"},
		"no azp":                  {func(_, c map[string]any) { c["azp"] = nil }, ""},
		"expired":                 {func(_, c map[string]any) { c["exp"] = in(-122 * time.Second) }, "grant_callback"},
		"expired within the skew": {func(_, c map[string]any) { c["exp"] = in(-100 * time.Second) }, ""},
		"no expiry":               {func(_, c map[string]any) { c["exp"] = nil }, "grant_callback"},
		"from the future":         {func(_, c map[string]any) { c["iat"] = in(140 * time.Second) }, "grant_callback"},
		"early within the skew":   {func(_, c map[string]any) { c["iat"] = in(100 * time.Second) }, ""},
		"no time":                 {func(_, c map[string]any) { c["iat"] = nil }, "grant_callback"},
		"another nonce":           {func(_, c map[string]any) { c["nonce"] = "n" }, "grant_callback"},
		"no nonce":                {func(_, c map[string]any) { c["nonce"] = nil }, "grant_callback"},
		"another access token":    {func(_, c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }, "grant_callback"},
		"no at_hash":              {func(_, c map[string]any) { c["at_hash"] = nil }, ""},
		"no sub":                  {func(_, c map[string]any) { c["sub"] = nil }, "grant_callback"},
		"another sub":             {func(_, c map[string]any) { c["sub"] = "1" }, "grant_person"},
		"address not verified":    {func(_, c map[string]any) { c["email_verified"] = false }, "grant_account"},
		"not said to be verified": {func(_, c map[string]any) { c["email_verified"] = nil }, "grant_account"},
		"no address":              {func(_, c map[string]any) { c["email"] = nil }, "grant_account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := begin(t, insert, func(l *gmailtest.Listening) { l.TamperIDToken(c.tamper) })
			_, g, err := tr.end(t)
			if c.code == "" {
				if err != nil || g.Sub != tr.l.Sub(user) {
					f, _ := mail.AsFault(err)
					t.Errorf("grant = %+v, %v (%+v)", g, err, f)
				}
				return
			}
			wantFault(t, err, mail.Grant, c.code)
			if g.Sub != "" || !g.Refresh.Empty() {
				t.Errorf("a grant in spite of it: %+v", g)
			}
		})
	}
}
