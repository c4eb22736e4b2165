package sessiontest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
)

var onceRules = []rule{
	{"StateWorksOnce", "a callback or a security event that is sent again does nothing, also after a restart", func(t *testing.T, w World) {
		use := func(k session.Kind, value string, life time.Duration) bool {
			first, err := w.Store(t).UseOnce(t.Context(), k, value, time.Now().Add(life))
			ok(t, err)
			return first
		}
		if !use(session.OAuthState, "state", 10*time.Minute) || use(session.OAuthState, "state", 10*time.Minute) {
			t.Error("want the first use accepted and the second not")
		}
		w.Reopen(t)
		if use(session.OAuthState, "state", time.Hour) {
			t.Error("a restart has forgotten the use")
		}
		if !use(session.OAuthState, "other", time.Minute) || !use(session.RISCEvent, "state", time.Minute) {
			t.Error("another value, or another kind of thing, was taken for used")
		}
		if use(session.OAuthState, "late", 0) || use(session.OAuthState, "later", -time.Hour) {
			t.Error("what had expired was accepted")
		}
		time.Sleep(10*time.Minute - time.Second)
		ok(t, w.Store(t).DropExpired(t.Context()))
		if use(session.OAuthState, "state", time.Hour) {
			t.Error("it was forgotten before it would have expired")
		}
	}},
	{"OneOfManyUsesIt", "of many that come with the same state at once, one is accepted", func(t *testing.T, w World) {
		var firsts atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				first, err := w.Store(t).UseOnce(t.Context(), session.OAuthState, "state", time.Now().Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				if first {
					firsts.Add(1)
				}
			})
		}
		wg.Wait()
		if got := firsts.Load(); got != 1 {
			t.Errorf("accepted = %d, want 1", got)
		}
	}},
	{"RepeatedRequestGetsItsAnswer", "the same request under the same key is answered as before, for a day, also after a restart", func(t *testing.T, w World) {
		u := w.User(t)
		wantStarted(t, w, u, "key", "POST a")
		want := session.Answer{Status: 201, Resource: "some id"}
		ok(t, w.Store(t).FinishRequest(t.Context(), u, "key", want))
		wantErr(t, "finished twice", w.Store(t).FinishRequest(t.Context(), u, "key", session.Answer{Status: 500}), session.ErrNone)
		w.Reopen(t)
		time.Sleep(session.KeepRequests - time.Second)
		ok(t, w.Store(t).AbandonRequest(t.Context(), u, "key")) // it is answered: nothing happens
		got, done, err := w.Store(t).StartRequest(t.Context(), u, "key", []byte("POST a"))
		ok(t, err)
		if !done || got != want {
			t.Errorf("answer = %+v, %t, want %+v", got, done, want)
		}
		time.Sleep(time.Second)
		wantStarted(t, w, u, "key", "POST b")
	}},
	{"KeyBelongsToItsRequest", "another request under the same key is a mistake of the client, and is not done", func(t *testing.T, w World) {
		u := w.User(t)
		wantStarted(t, w, u, "key", "POST a")
		_, _, err := w.Store(t).StartRequest(t.Context(), u, "key", []byte("POST b"))
		wantErr(t, "while the first is answered", err, session.ErrMismatch)
		ok(t, w.Store(t).FinishRequest(t.Context(), u, "key", session.Answer{Status: 200}))
		_, _, err = w.Store(t).StartRequest(t.Context(), u, "key", []byte("POST b"))
		wantErr(t, "afterwards", err, session.ErrMismatch)
		wantStarted(t, w, u, "other key", "POST b")
		wantStarted(t, w, w.User(t), "key", "POST b") // keys are their users' own
	}},
	{"RequestIsAnsweredOnce", "of many that come at once one is answered; the others hear that it is under way", func(t *testing.T, w World) {
		u := w.User(t)
		var started, inFlight atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch _, done, err := w.Store(t).StartRequest(t.Context(), u, "key", []byte("POST a")); {
				case err == nil && !done:
					started.Add(1)
				case err == session.ErrInFlight:
					inFlight.Add(1)
				default:
					t.Errorf("start = %t, %v", done, err)
				}
			})
		}
		wg.Wait()
		if started.Load() != 1 || inFlight.Load() != 7 {
			t.Errorf("started, in flight = %d, %d, want 1, 7", started.Load(), inFlight.Load())
		}
	}},
	{"AbandonedKeyIsFree", "a request of which nothing came may be sent again, and one that a crash cut off after a while", func(t *testing.T, w World) {
		u := w.User(t)
		wantStarted(t, w, u, "key", "POST a")
		ok(t, w.Store(t).AbandonRequest(t.Context(), u, "key"))
		wantStarted(t, w, u, "key", "POST b")
		w.Reopen(t)
		time.Sleep(session.InFlight - time.Second)
		_, _, err := w.Store(t).StartRequest(t.Context(), u, "key", []byte("POST b"))
		wantErr(t, "too early", err, session.ErrInFlight)
		time.Sleep(time.Second)
		wantStarted(t, w, u, "key", "POST b")
	}},
}

func wantStarted(t *testing.T, w World, u id.User, key, what string) {
	t.Helper()
	if a, done, err := w.Store(t).StartRequest(t.Context(), u, key, []byte(what)); err != nil || done {
		t.Errorf("start %q = %+v, %t, %v; want it started", key, a, done, err)
	}
}
