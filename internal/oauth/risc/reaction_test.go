package risc

import (
	"crypto/sha512"
	"encoding/base64"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestReactionToEachEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		event Event
		want  Reaction
	}{
		{Event{Kind: SessionsRevoked}, Reaction{EndSessions: true, Ask: true}},
		{Event{Kind: TokensRevoked}, Reaction{EndSessions: true, Destroy: true}},
		{Event{Kind: TokenRevoked}, Reaction{Destroy: true}},
		{Event{Kind: AccountDisabled, Reason: "hijacking"}, Reaction{EndSessions: true, Destroy: true}},
		{Event{Kind: AccountDisabled, Reason: "bulk-account"}, Reaction{EndSessions: true, Ask: true}},
		{Event{Kind: AccountDisabled}, Reaction{EndSessions: true, Ask: true}},
		{Event{Kind: AccountPurged}, Reaction{EndSessions: true, Destroy: true, Wipe: true}},
		{Event{Kind: AccountEnabled}, Reaction{}},
		{Event{Kind: CredentialChangeRequired}, Reaction{}},
		{Event{Kind: Verification}, Reaction{}},
		{Event{Kind: Other}, Reaction{}},
	} {
		if got := React(c.event); got != c.want {
			t.Errorf("React(%s %s) = %+v, want %+v", c.event.Kind, c.event.Reason, got, c.want)
		}
	}
	for _, k := range kinds {
		React(Event{Kind: k}) // does not panic
	}
}

func TestEventBeforeAGrantIsHistory(t *testing.T) {
	t.Parallel()
	e := Event{At: time.Now()}
	for granted, want := range map[time.Duration]bool{-time.Hour: false, 0: false, 4 * time.Minute: false, 6 * time.Minute: true} {
		if got := e.Before(e.At.Add(granted)); got != want {
			t.Errorf("granted %v after: Before = %v, want %v", granted, got, want)
		}
	}
}

// The names that Google gives to a refresh token, worked out here another way.
func TestMarksAreWhatEventsName(t *testing.T) {
	t.Parallel()
	token := "1//0abcdefghijklmnopqrstuvwxyz"
	once := sha512.Sum512([]byte(token))
	twice := sha512.Sum512(once[:])
	named := map[string][]string{
		"prefix": {"1//0abcdefghijkl"},
		"hash_base64_sha512_sha512": {base64.StdEncoding.EncodeToString(twice[:]), base64.URLEncoding.EncodeToString(twice[:]),
			base64.RawStdEncoding.EncodeToString(twice[:]), base64.RawURLEncoding.EncodeToString(twice[:])},
	}
	for algorithm, values := range named {
		for _, v := range values {
			m, ok := markOf(algorithm, v)
			if e := (Event{Token: m}); !ok || !e.Matches(vault.NewSecret(token)) || e.Matches(vault.NewSecret(token[:10]+"x"+token[11:])) {
				t.Errorf("%s %q: %v", algorithm, v, ok)
			}
		}
	}
}
