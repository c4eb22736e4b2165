package api

import (
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/session"
)

// Check gives the token that is asked for.
func (n TokenNew) Check() (session.NewToken, error) {
	var f faults
	t := session.NewToken{Name: strings.TrimSpace(n.Name)}
	if f.required("name", t.Name, "what the token is for") {
		f.text("name", t.Name, 100)
	}
	var err error
	if t.Scopes, err = session.ParseScopes(n.Scopes); err != nil {
		f.fault("scopes", err)
	}
	if n.ExpiresIn != nil {
		t.Life = time.Duration(*n.ExpiresIn)
		f.within("expires_in", *n.ExpiresIn, time.Minute, session.MaxTokenLife)
	}
	return t, Invalid(f...)
}

// Onto gives the settings that p makes of s.
func (p MePatch) Onto(s Settings) (Settings, error) {
	var f faults
	over(&s.Locale, p.Locale)
	over(&s.TimeZone, p.TimeZone)
	if p.Locale != nil && !tag(s.Locale) {
		f.add("locale", "locale_invalid", "it is no language tag", "write en or de-AT")
	}
	// "Local" would be the server's.
	if _, err := time.LoadLocation(s.TimeZone); p.TimeZone != nil && (err != nil || s.TimeZone == "Local" || s.TimeZone == "") {
		f.add("time_zone", "time_zone_unknown", "there is no such time zone", "write Europe/Vienna or UTC")
	}
	if n := p.Notices; n != nil {
		over(&s.Notices.Failing, n.Failing)
		over(&s.Notices.Digest, n.Digest)
		over(&s.Notices.SignIn, n.SignIn)
	}
	return s, Invalid(f...)
}

// tag accepts a language, and a region or script after it (BCP 47).
func tag(s string) bool {
	parts := strings.Split(s, "-")
	if len(s) > 35 || len(parts[0]) < 2 || len(parts[0]) > 3 {
		return false
	}
	for _, p := range parts {
		if p == "" || len(p) > 8 || strings.ContainsFunc(p, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
		}) {
			return false
		}
	}
	return true
}
