package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// TestWhoHasGuessedTooOftenSavesNoOtherPassword: the engine would try it.
func TestWhoHasGuessedTooOftenSavesNoOtherPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	w.Engine.Asked()
	w.Guessed = &mail.Fault{Class: mail.RateLimited, Until: time.Now().Add(time.Hour), Code: "too_many_guesses", Text: "too many logins have failed", Help: "wait"}
	path := "/api/v1/mailboxes/" + box.ID.String()
	for _, a := range []answered{w.do(t, program, "PATCH", path, `{"password":"guess"}`), w.do(t, program, "POST", "/api/v1/mailboxes", with())} {
		wantProblem(t, a, 429, "too_many_guesses", "password")
		if after := a.Header.Get("Retry-After"); after != "3600" {
			t.Errorf("Retry-After %s", after)
		}
	}
	edit := "/mailboxes/" + box.ID.String() + "/edit"
	f := filled(t, w.do(t, browser, "GET", edit, ""), edit)
	f.Set("password", "guess")
	a := w.submit(t, browser, edit, f)
	if a.StatusCode != 422 || !strings.Contains(string(a.body), "Too many logins have failed.") || strings.Contains(string(a.body), `value="guess"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if asked := w.Engine.Asked(); len(asked) > 0 {
		t.Errorf("the engine was asked to %v", asked)
	}
	want(t, w.do(t, program, "PATCH", path, `{"label":"New"}`), 200)
}
