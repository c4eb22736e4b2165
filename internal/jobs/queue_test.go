package jobs

import (
	"net/http"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
)

func (w *world) outside(t *testing.T, receipt string) string {
	t.Helper()
	r, err := w.store.Receipt(t.Context(), receipt)
	ok(t, err)
	return r.Outside[account.GoogleRevoke]
}

// TestGoogleIsToldHoweverOftenItIsAway: what was left before the start, and what
// comes while the queue runs.
func TestGoogleIsToldHoweverOftenItIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.google.fail = 2
	a, err := w.store.WipeUser(t.Context(), w.granted(t, "ann"))
	ok(t, err)
	bob := w.granted(t, "bob")
	w.start(t)
	within(t, 15*time.Second, "telling Google of ann", func() bool { return w.outside(t, a.ID) == account.Done })
	b, err := w.store.WipeGrant(t.Context(), bob)
	ok(t, err)
	within(t, 5*time.Second, "telling Google of bob", func() bool { return w.outside(t, b.ID) == account.Done })
	w.google.mu.Lock()
	defer w.google.mu.Unlock()
	if got := w.google.revoked; len(got) != 2 || got[0] != "1//0ann-refresh-token" || got[1] != "1//0bob-refresh-token" {
		t.Errorf("Google was told to end %v", got)
	}
}

// TestEventDestroysWithinFiveSeconds: from the signed event's delivery on, over
// the real receiver, store and queue.
func TestEventDestroysWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.granted(t, "1234")
	w.start(t)
	l, err := gmailtest.Start(gmailtest.Options{}, "127.0.0.1:0")
	ok(t, err)
	t.Cleanup(l.Close)
	p, err := oauth.New(oauth.Options{Issuer: l.URL, ClientID: gmailtest.DefaultClientID, Transport: &http.Transport{}})
	ok(t, err)
	r := risc.New(p, Inbox{w.store})
	body := []byte(l.SignEvent(gmailtest.Event{Issuer: l.URL + "/", Type: "token-revoked", Token: "1//01234-refresh-token", JTI: "once"}))
	if a := r.Receive(t.Context(), "application/secevent+jwt", body); a.Status != http.StatusAccepted || a.Again {
		t.Fatalf("answer = %+v", a)
	}
	took := within(t, 5*time.Second, "destroying", func() bool { return w.status(t, u) == string(account.Revoked) })
	t.Logf("destroyed after %v", took)
	if a := r.Receive(t.Context(), "application/secevent+jwt", body); a.Status != http.StatusAccepted || !a.Again {
		t.Errorf("answer to the same event again = %+v", a)
	}
}

// TestEventSurvivesACrash: after it was taken, and while it is acted upon.
func TestEventSurvivesACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.granted(t, "ann")
	w.take(t, risc.Event{Kind: risc.TokensRevoked, Sub: "ann"})
	taken := copyOf(t, w.dir)
	w.users.hang = make(chan struct{})
	q := w.start(t)
	running := func() (n int) {
		db, err := w.store.Jobs(t.Context())
		ok(t, err)
		ok(t, db.QueryRow("SELECT count(*) FROM river_job WHERE kind = 'risc_signal' AND state = 'running'").Scan(&n))
		return n
	}
	within(t, 5*time.Second, "beginning", func() bool { return running() == 1 })
	begun := copyOf(t, w.dir)
	close(w.users.hang)
	ok(t, q.Stop(t.Context()))
	for name, dir := range map[string]string{"taken": taken, "begun": begun} {
		w := worldIn(t, dir)
		if got := w.status(t, u); got != string(account.Active) {
			t.Errorf("%s: grant = %s, want it as it was before the crash", name, got)
		}
		w.start(t)
		within(t, 5*time.Second, name, func() bool { return w.users.of(u) == "grant" && w.status(t, u) == string(account.Revoked) })
	}
}

// TestRowsAreSweptAtTheStart: and jobs of the same row are one, until it has ended.
func TestRowsAreSweptAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.google.fail = 1 << 30
	_, err := w.store.WipeUser(t.Context(), w.granted(t, "ann"))
	ok(t, err)
	q := w.start(t)
	db, err := w.store.Jobs(t.Context())
	ok(t, err)
	count := func(where string) (n int) {
		ok(t, db.QueryRow("SELECT count(*) FROM river_job WHERE "+where).Scan(&n))
		return n
	}
	within(t, 10*time.Second, "sweeping", func() bool { return count("kind = 'sweep' AND state = 'completed'") == 1 })
	for range 3 {
		ok(t, q.derive(t.Context()))
	}
	if n := count("kind = 'google_revoke'"); n != 1 {
		t.Errorf("jobs of one errand = %d, want 1", n)
	}
}
