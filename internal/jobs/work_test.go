package jobs

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestWhatEachEventDoes(t *testing.T) {
	t.Parallel()
	mark := func(token string) vault.Secret { return account.TokenMarks(vault.NewSecret(token))[1] }
	for _, c := range []struct {
		name     string
		event    risc.Event
		dead     bool
		status   string
		sessions int
	}{
		{"all grants withdrawn", risc.Event{Kind: risc.TokensRevoked, Sub: "ann"}, false, "revoked", 0},
		{"the token that is kept", risc.Event{Kind: risc.TokenRevoked, Token: mark("1//0ann-refresh-token")}, false, "revoked", 1},
		{"another token", risc.Event{Kind: risc.TokenRevoked, Token: mark("1//0ann-another-token")}, false, "active", 1},
		{"hijacked", risc.Event{Kind: risc.AccountDisabled, Reason: "hijacking", Sub: "ann"}, false, "revoked", 0},
		{"disabled, and the grant is dead", risc.Event{Kind: risc.AccountDisabled, Sub: "ann"}, true, "revoked", 0},
		{"disabled, and the grant lives", risc.Event{Kind: risc.AccountDisabled, Sub: "ann"}, false, "active", 0},
		{"sessions ended, and the grant lives", risc.Event{Kind: risc.SessionsRevoked, Sub: "ann"}, false, "active", 0},
		{"sessions ended by a new password", risc.Event{Kind: risc.SessionsRevoked, Sub: "ann"}, true, "revoked", 0},
		{"purged", risc.Event{Kind: risc.AccountPurged, Sub: "ann"}, false, "no such user", 0},
		{"enabled", risc.Event{Kind: risc.AccountEnabled, Sub: "ann"}, false, "active", 1},
		{"verification", risc.Event{Kind: risc.Verification}, false, "active", 1},
		{"somebody unknown", risc.Event{Kind: risc.TokensRevoked, Sub: "eve"}, false, "active", 1},
		{"an earlier grant", risc.Event{Kind: risc.TokensRevoked, Sub: "ann", At: time.Now().Add(-time.Hour)}, false, "active", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u, other := w.granted(t, "ann"), w.granted(t, "bob")
			w.google.dead = c.dead
			w.take(t, c.event)
			ok(t, w.reactAll(t))
			if got := w.status(t, u); got != c.status {
				t.Errorf("grant = %s, want %s", got, c.status)
			}
			if got := w.sessions(t, u); got != c.sessions {
				t.Errorf("sessions = %d, want %d", got, c.sessions)
			}
			if w.status(t, other) != "active" || w.sessions(t, other) != 1 {
				t.Error("it did something to somebody else")
			}
			if left, err := w.store.Signals(t.Context()); err != nil || len(left) != 0 {
				t.Errorf("signals left = %d, %v", len(left), err)
			}
		})
	}
}

// TestSignalStaysUntilItIsActedUpon: what could not be found out is asked again.
func TestSignalStaysUntilItIsActedUpon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.granted(t, "ann")
	w.google.fail, w.google.dead = 1, true
	w.take(t, risc.Event{Kind: risc.SessionsRevoked, Sub: "ann"})
	if err := w.reactAll(t); !errors.Is(err, errAway) {
		t.Errorf("react = %v, want it tried again", err)
	}
	if got := w.status(t, u); got != "active" {
		t.Errorf("grant = %s, want it kept while Google does not answer", got)
	}
	ok(t, w.reactAll(t))
	if got := w.status(t, u); got != "revoked" {
		t.Errorf("grant = %s, want it destroyed", got)
	}
	ok(t, w.reactAll(t))
}

func TestErrandIsGivenUpAfterAWeekAndTheReceiptSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.google.fail = 1 << 30
		r, err := w.store.WipeUser(t.Context(), w.granted(t, "ann"))
		ok(t, err)
		try := func(want string) {
			t.Helper()
			got, err := w.store.Receipt(t.Context(), r.ID)
			ok(t, err)
			if got.Outside[account.GoogleRevoke] != want {
				t.Errorf("telling Google = %q, want %q", got.Outside[account.GoogleRevoke], want)
			}
		}
		if err := w.work.revoke(t.Context(), r.ID, account.GoogleRevoke); !errors.Is(err, errAway) {
			t.Errorf("revoke = %v, want it tried again", err)
		}
		time.Sleep(GiveUp - time.Minute)
		if err := w.work.revoke(t.Context(), r.ID, account.GoogleRevoke); !errors.Is(err, errAway) {
			t.Errorf("revoke = %v, want it tried again", err)
		}
		try(account.Pending)
		time.Sleep(2 * time.Minute)
		ok(t, w.work.revoke(t.Context(), r.ID, account.GoogleRevoke))
		try(account.Failed)
		ok(t, w.work.revoke(t.Context(), r.ID, account.GoogleRevoke)) // there is nothing to do any more
	})
}

func TestPausesGrowUpToTheLongest(t *testing.T) {
	t.Parallel()
	for tries, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 12: 2048 * time.Second, 13: time.Hour, 9_999: time.Hour} {
		for range 20 {
			if got := pause(tries, time.Hour); got > want || got < want*4/5 {
				t.Errorf("after %d tries: %v, want %v less up to a fifth", tries, got, want)
			}
		}
	}
}
