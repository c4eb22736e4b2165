package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

func takeSignals(t *testing.T, s *Store, jti string, n ...account.Signal) bool {
	t.Helper()
	first, err := s.TakeSignals(t.Context(), jti, time.Now().Add(time.Hour), n)
	ok(t, err)
	return first
}

func wantConcerned(t *testing.T, s *Store, signal string, want ...id.User) {
	t.Helper()
	_, got, err := s.Signal(t.Context(), signal)
	ok(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("it concerns %v, want %v", got, want)
	}
}

func TestSignalIsTakenOnceAndKeptUntilItIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	signal := account.Signal{Kind: "account-disabled", Reason: "hijacking", At: at, Sub: "somebody"}
	if !takeSignals(t, w.s, "jti", signal, account.Signal{Kind: "sessions-revoked", At: at, Sub: "somebody else"}) {
		t.Error("the first delivery was not the first")
	}
	select {
	case <-w.s.Due():
	default:
		t.Error("nobody was told that there is something to do")
	}
	w.Reopen(t)
	if takeSignals(t, w.s, "jti", signal) {
		t.Error("the second delivery was the first")
	}
	all, err := w.s.Signals(t.Context())
	ok(t, err)
	if len(all) != 2 {
		t.Fatalf("signals = %d, want 2", len(all))
	}
	slices.SortFunc(all, func(a, b account.Signal) int { return len(a.Reason) - len(b.Reason) })
	got := all[1]
	if got.Kind != signal.Kind || got.Reason != signal.Reason || !got.At.Equal(at) || got.Sub != "" {
		t.Errorf("signal = %+v, want %+v without its subject", got, signal)
	}
	wantConcerned(t, w.s, got.ID, w.user)
	wantConcerned(t, w.s, all[0].ID)
	ok(t, w.s.SignalDone(t.Context(), got.ID))
	ok(t, w.s.SignalDone(t.Context(), got.ID))
	for _, gone := range []string{got.ID, "x", ""} {
		if _, _, err := w.s.Signal(t.Context(), gone); !errors.Is(err, account.ErrNone) {
			t.Errorf("signal %q: %v, want %v", gone, err, account.ErrNone)
		}
	}
	if w.Reopen(t); takeSignals(t, w.s, "jti", signal) {
		t.Error("a jti was forgotten with what it brought")
	}
}

// TestDeliveryIsTakenWholeOrNot: a jti that is remembered without its signals
// would never be acted upon.
func TestDeliveryIsTakenWholeOrNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	repair := breakTable(t, w.s.system, "INSERT", "signals")
	signal := account.Signal{Kind: "tokens-revoked", At: time.Now(), Sub: "somebody"}
	if first, err := w.s.TakeSignals(t.Context(), "jti", time.Now().Add(time.Hour), []account.Signal{signal}); err == nil || first {
		t.Errorf("take = %t, %v, want a failure", first, err)
	}
	repair()
	if !takeSignals(t, w.s, "jti", signal) {
		t.Error("what could not be taken cannot be taken any more")
	}
}

// TestTokenIsFoundByItsNames: only the one that is kept, by either name, and
// without the token or a piece of it on the disk.
func TestTokenIsFoundByItsNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u, v := newUser(t, s, "somebody"), newUser(t, s, "somebody else")
	old, newer, other := secret("1//0first-token-of-somebody"), secret("1//0second-token-of-somebody"), secret("1//0third")
	put := func(u id.User, g account.Grant) { ok(t, s.PutGrant(t.Context(), u, g)) }
	put(u, account.Grant{RefreshToken: old})
	put(v, account.Grant{RefreshToken: other})
	var byOld, byNewer []string // signals
	for i, m := range append(account.TokenMarks(old), account.TokenMarks(newer)...) {
		takeSignals(t, s, string(rune('a'+i)), account.Signal{Kind: "token-revoked", At: time.Now().Add(time.Duration(i)), Token: m})
	}
	all, err := s.Signals(t.Context())
	ok(t, err)
	for i, n := range all {
		if i < 2 {
			byOld = append(byOld, n.ID)
		} else {
			byNewer = append(byNewer, n.ID)
		}
	}
	wantAll := func(signals []string, want ...id.User) {
		t.Helper()
		for _, n := range signals {
			wantConcerned(t, s, n, want...)
		}
	}
	wantAll(byOld, u)
	wantAll(byNewer)
	put(u, account.Grant{RefreshToken: newer})
	wantAll(byOld)
	wantAll(byNewer, u)
	if marks := blobs(t, s.system, "SELECT mark FROM grant_marks"); len(marks) != 4 {
		t.Errorf("names = %d, want two of each token", len(marks))
	}
	// A name too many, as a crash leaves it, finds nobody.
	ok(t, s.system.write(t.Context(), func() error { return s.addMarks(u, s.markHashes(old)) }))
	wantAll(byOld)
	ok(t, s.DropGrant(t.Context(), u))
	wantAll(byNewer)
	_, err = s.WipeUser(t.Context(), v)
	ok(t, err)
	if marks := blobs(t, s.system, "SELECT mark FROM grant_marks"); len(marks) != 0 {
		t.Errorf("names = %d, want none", len(marks))
	}
	for _, piece := range []string{"1//0first", "1//0second", "1//0third"} {
		wantOutOfSystem(t, s, []byte(piece))
	}
}

// TestErrandKeyIsGoneWithItsEnd: a copy of the store from between wipe and
// Google's answer opens with no key of now; nor is it told again.
func TestErrandKeyIsGoneWithItsEnd(t *testing.T) {
	t.Parallel()
	for _, end := range []string{account.Done, account.Failed, account.Moot} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, dir, Options{Exclusive: true})
			u, _, _ := fillWithMarkers(t, s)
			r, err := s.WipeGrant(t.Context(), u)
			ok(t, err)
			copied := copyOf(t, dir)
			switch end {
			case account.Done:
				err = s.ErrandDone(t.Context(), r.ID, account.GoogleRevoke)
			case account.Failed:
				err = s.ErrandFailed(t.Context(), r.ID, account.GoogleRevoke)
			case account.Moot:
				err = s.PutGrant(t.Context(), u, account.Grant{RefreshToken: secret("newer")})
			}
			ok(t, err)
			ok(t, s.Close())
			keys := filepath.Join(dir, "keys")
			if left, err := filepath.Glob(filepath.Join(keys, "errands", "*")); err != nil || len(left) != 0 {
				t.Errorf("keys of errands = %v, %v, want none", left, err)
			}
			ok(t, os.RemoveAll(filepath.Join(copied, "keys")))
			ok(t, os.CopyFS(filepath.Join(copied, "keys"), os.DirFS(keys)))
			s = openStore(t, copied, Options{Exclusive: true})
			if errands, err := s.Errands(t.Context()); err != nil || len(errands) != 0 {
				t.Errorf("errands of the copy = %d, %v, want none", len(errands), err)
			}
		})
	}
}
