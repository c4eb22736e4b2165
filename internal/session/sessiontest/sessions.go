package sessiontest

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var sessionRules = []rule{
	{"SessionIsFoundByItsCookie", "whoever has the cookie is the user, also after a restart, and nobody else is", func(t *testing.T, w World) {
		u := w.User(t)
		s, cookie := begin(t, w, u)
		if !session.IsCookie(cookie) {
			t.Error("the cookie has not the form of one")
		}
		w.Reopen(t)
		got, err := w.Store(t).FindSession(t.Context(), cookie)
		ok(t, err)
		if got.ID != s.ID || got.User != u || !got.Created.Equal(s.Created) || !got.LastSeen.Equal(s.LastSeen) {
			t.Errorf("session = %+v, want %+v", got, s)
		}
		text := cookie.RevealString()
		flipped := []byte(text)
		flipped[3] ^= 1
		for _, wrong := range []string{"", "x", text + "A", text[1:], text + "=", string(flipped), session.NewCookie().RevealString(), s.ID.String()} {
			if signedIn(t, w, vault.NewSecret(wrong)) {
				t.Errorf("somebody is signed in with %q", wrong)
			}
		}
	}},
	{"SignInEndsTheOldSession", "a cookie from before a sign-in or a new grant opens nothing afterwards, whoever's it was: nobody can plant one", func(t *testing.T, w World) {
		u, v := w.User(t), w.User(t)
		_, first := begin(t, w, u)
		_, other := begin(t, w, u)
		_, second, err := w.Store(t).BeginSession(t.Context(), u, "", first)
		ok(t, err)
		if signedIn(t, w, first) || !signedIn(t, w, second) || !signedIn(t, w, other) {
			t.Error("want the first session ended, the second begun and the other one left alone")
		}
		_, third, err := w.Store(t).BeginSession(t.Context(), v, "", second)
		ok(t, err)
		if signedIn(t, w, second) || !signedIn(t, w, third) {
			t.Error("signing in as somebody else has not ended the session before")
		}
	}},
	{"LastSeenIsCoarse", "a request writes at most once in ten minutes when its session was seen", func(t *testing.T, w World) {
		u := w.User(t)
		s, cookie := begin(t, w, u)
		seen := func() time.Duration {
			signedIn(t, w, cookie)
			return sessions(t, w, u)[0].LastSeen.Sub(s.Created)
		}
		time.Sleep(session.Coarse - time.Second)
		if got := seen(); got != 0 {
			t.Errorf("seen %v after its begin, want nothing noted yet", got)
		}
		time.Sleep(time.Second)
		if got := seen(); got != session.Coarse {
			t.Errorf("seen %v after its begin, want %v", got, session.Coarse)
		}
		time.Sleep(session.Coarse / 2)
		if got := seen(); got != session.Coarse {
			t.Errorf("seen %v after its begin, want %v still", got, session.Coarse)
		}
	}},
	{"UnusedSessionEnds", "who is away for 30 days signs in again", func(t *testing.T, w World) {
		u := w.User(t)
		_, cookie := begin(t, w, u)
		time.Sleep(session.IdleLife - time.Second)
		if !signedIn(t, w, cookie) { // seen now
			t.Fatal("signed out too early")
		}
		time.Sleep(session.IdleLife - time.Second)
		if len(sessions(t, w, u)) != 1 {
			t.Error("signed out though seen less than 30 days ago")
		}
		time.Sleep(time.Second)
		if signedIn(t, w, cookie) || len(sessions(t, w, u)) != 0 {
			t.Error("still signed in 30 days after the last use")
		}
	}},
	{"OldSessionEnds", "after 90 days everybody signs in again, however busy", func(t *testing.T, w World) {
		u := w.User(t)
		_, cookie := begin(t, w, u)
		for range 9 {
			time.Sleep(10*24*time.Hour - time.Second)
			if !signedIn(t, w, cookie) {
				t.Fatal("signed out too early")
			}
		}
		time.Sleep(9 * time.Second)
		if signedIn(t, w, cookie) {
			t.Error("still signed in after 90 days")
		}
	}},
	{"SessionsAreListedForTheirUser", "one sees where one is signed in, the latest first, and nobody else's", func(t *testing.T, w World) {
		u, v := w.User(t), w.User(t)
		first, cookie := begin(t, w, u)
		second, _, err := w.Store(t).BeginSession(t.Context(), u, "Safari on iPhone", vault.Secret{})
		ok(t, err)
		begin(t, w, v)
		time.Sleep(time.Hour)
		signedIn(t, w, cookie)
		all := sessions(t, w, u)
		if len(all) != 2 || all[0].ID != first.ID || all[1].ID != second.ID {
			t.Fatalf("sessions = %+v, want the one just seen, then the other", all)
		}
		if all[0].Client != "Firefox on Linux" || all[1].Client != "Safari on iPhone" {
			t.Errorf("clients = %q, %q", all[0].Client, all[1].Client)
		}
	}},
	{"SessionIsEndedByItsUser", "a session can be ended from another one, by its user alone", func(t *testing.T, w World) {
		u, v := w.User(t), w.User(t)
		s, cookie := begin(t, w, u)
		wantErr(t, "somebody else's", w.Store(t).EndSession(t.Context(), v, s.ID), session.ErrNone)
		wantErr(t, "an unknown one", w.Store(t).EndSession(t.Context(), u, session.ID{1}), session.ErrNone)
		if !signedIn(t, w, cookie) {
			t.Fatal("somebody else has ended the session")
		}
		ok(t, w.Store(t).EndSession(t.Context(), u, s.ID))
		wantErr(t, "twice", w.Store(t).EndSession(t.Context(), u, s.ID), session.ErrNone)
		w.Reopen(t)
		if signedIn(t, w, cookie) || len(sessions(t, w, u)) != 0 {
			t.Error("the session goes on")
		}
	}},
	{"AllOthersAreEnded", "one call signs out everywhere but here", func(t *testing.T, w World) {
		u, v := w.User(t), w.User(t)
		keep, here := begin(t, w, u)
		_, a := begin(t, w, u)
		_, b := begin(t, w, u)
		_, theirs := begin(t, w, v)
		n, err := w.Store(t).EndOtherSessions(t.Context(), u, keep.ID)
		ok(t, err)
		if n != 2 || !signedIn(t, w, here) || signedIn(t, w, a) || signedIn(t, w, b) || !signedIn(t, w, theirs) {
			t.Errorf("ended %d sessions; want the two others of this user and no more", n)
		}
	}},
	{"SessionsAreBounded", "who signs in without end signs the oldest out", func(t *testing.T, w World) {
		u := w.User(t)
		var cookies []vault.Secret
		for range session.MaxSessions + 2 {
			_, cookie := begin(t, w, u)
			cookies = append(cookies, cookie)
			time.Sleep(time.Second)
		}
		if got := len(sessions(t, w, u)); got != session.MaxSessions {
			t.Errorf("sessions = %d, want %d", got, session.MaxSessions)
		}
		if signedIn(t, w, cookies[1]) || !signedIn(t, w, cookies[2]) {
			t.Error("want the two oldest ended and the third not")
		}
	}},
	{"WipedUserIsSignedOut", "with an account its sessions and tokens go, and nobody else's", func(t *testing.T, w World) {
		u, v := w.User(t), w.User(t)
		_, mine := begin(t, w, u)
		_, theirs := begin(t, w, v)
		_, text := issue(t, w, u, session.NewToken{Scopes: session.AuditRead})
		_, _, err := w.Store(t).StartRequest(t.Context(), u, "key", nil)
		ok(t, err)
		w.Wipe(t, u)
		if signedIn(t, w, mine) || works(t, w, text) || !signedIn(t, w, theirs) {
			t.Error("want the wiped user signed out, and nobody else")
		}
		if got := w.Count(t); got != 1 {
			t.Errorf("kept = %d things, want the other's session alone", got)
		}
	}},
	{"ExpiredIsDropped", "what has expired is not only refused, it goes", func(t *testing.T, w World) {
		u := w.User(t)
		begin(t, w, u)
		issue(t, w, u, session.NewToken{Scopes: session.AuditRead, Life: time.Hour})
		_, err := w.Store(t).UseOnce(t.Context(), session.RISCEvent, "x", time.Now().Add(time.Hour))
		ok(t, err)
		ok(t, w.Store(t).DropExpired(t.Context()))
		if got := w.Count(t); got != 3 {
			t.Fatalf("kept = %d things, want all 3", got)
		}
		time.Sleep(time.Hour + time.Second)
		ok(t, w.Store(t).DropExpired(t.Context()))
		if got := w.Count(t); got != 1 {
			t.Errorf("kept = %d things after an hour, want the session alone", got)
		}
		time.Sleep(session.IdleLife)
		ok(t, w.Store(t).DropExpired(t.Context()))
		if got := w.Count(t); got != 0 {
			t.Errorf("kept = %d things after 30 days, want none", got)
		}
	}},
}
