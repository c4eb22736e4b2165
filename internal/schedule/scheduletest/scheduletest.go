// Package scheduletest is the conformance suite of a registry: the durable side
// of the schedule.
package scheduletest

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// Registry is what the engine asks (actors.Registry), and what a person may be
// shown.
type Registry interface {
	All(ctx context.Context) iter.Seq2[schedule.Registered, error]
	Save(ctx context.Context, user id.User, box id.Mailbox, s schedule.State) error
	Begin(ctx context.Context, user id.User, box id.Mailbox) error
	Clean(ctx context.Context, boxes []id.Mailbox) error
	Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error)
}

// World is a registry with the mailboxes in it.
type World interface {
	Registry(t *testing.T) Registry
	User(t *testing.T) id.User
	Mailbox(t *testing.T, user id.User, host string, port int) id.Mailbox // a new one
	Wipe(t *testing.T, user id.User, box id.Mailbox)
	Reopen(t *testing.T) // restarts on what is durable
}

// Run proves a registry. fresh gives an empty world.
func Run(t *testing.T, fresh func(t *testing.T) World) {
	for _, c := range []struct {
		name, rule string
		test       func(t *testing.T, w World)
	}{
		{"NewMailboxIsDue", "a mailbox is found by the wheel from the moment it exists, to be looked at now", newIsDue},
		{"LaneIsAServer", "what shares a mail server shares a lane, and nothing else does", lanes},
		{"StateRoundTrips", "every field of a state comes back, also after a restart", roundTrips},
		{"StateIsReplaced", "of the state before nothing is left", replaced},
		{"WheelKnowsWhatWasSaved", "after a restart a mailbox is woken as its last state says", wheelKnows},
		{"SyncingIsNeverStored", "a pass that is cut off by a crash leaves a mailbox that is idle", syncing},
		{"DirtyComesFirst", "what had claims under way is recovered before anything else", dirtyFirst},
		{"MarkIsTakenAway", "a mailbox whose pass has left no claim is as before", cleaned},
		{"MarkComesBack", "a mailbox that is begun after its mark was taken away is marked again", markedAgain},
		{"UsersAreApart", "an id counts together with its user's and not alone", apart},
		{"WipedMailboxIsForgotten", "a wiped mailbox is never woken, nor saved, nor marked", wiped},
		{"ManyAtOnce", "callers may come together", together},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.rule)
				}
			})
			c.test(t, fresh(t))
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got %v, want no error", err)
	}
}

func wantNone(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, account.ErrNone) {
		t.Errorf("%s: error = %v, want %v", what, err, account.ErrNone)
	}
}

// all gives the registered mailboxes in the order of their coming.
func all(t *testing.T, w World) (out []schedule.Registered) {
	t.Helper()
	seen := map[id.Mailbox]bool{}
	for r, err := range w.Registry(t).All(t.Context()) {
		ok(t, err)
		if seen[r.Mailbox] {
			t.Errorf("mailbox %s came twice", r.Mailbox)
		}
		seen[r.Mailbox] = true
		out = append(out, r)
	}
	return out
}

// row gives one of them.
func row(t *testing.T, w World, box id.Mailbox) schedule.Registered {
	t.Helper()
	for _, r := range all(t, w) {
		if r.Mailbox == box {
			return r
		}
	}
	t.Fatalf("mailbox %s is not registered", box)
	return schedule.Registered{}
}

func one(t *testing.T, w World) (id.User, id.Mailbox) {
	t.Helper()
	u := w.User(t)
	return u, w.Mailbox(t, u, "pop.example.org", 995)
}

// full is a state with something in every field.
func full() schedule.State {
	day := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	return schedule.State{
		Phase: schedule.Failing, Until: day, Interval: 7 * time.Minute,
		Reason: schedule.Reason{Code: "auth_failed", Detail: "pop.example.org refused the password", Help: "enter it anew"},
		Class:  mail.Login, Failures: 3, First: day.Add(-time.Hour), Floor: 15 * time.Minute, LastSync: day.Add(-2 * time.Hour),
		Digest: mail.Key{1, 2, 3, 15: 9}, Backlog: schedule.Backlog{Messages: 100_000, Bytes: 1 << 40, ETA: day.Add(240 * time.Hour)},
		Undone: 3, Asked: day.Add(-3 * time.Hour), Accepted: true,
	}
}

func wantState(t *testing.T, w World, u id.User, box id.Mailbox, want schedule.State) {
	t.Helper()
	got, err := w.Registry(t).Schedule(t.Context(), u, box)
	ok(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("state = %+v, want %+v", got, want)
	}
}

func wantRow(t *testing.T, got schedule.Registered, want schedule.State) {
	t.Helper()
	if got.Phase != want.Phase || !got.Until.Equal(want.Until) || got.Every != want.Interval {
		t.Errorf("the wheel has %v until %v every %v, want %v, %v, %v", got.Phase, got.Until, got.Every, want.Phase, want.Until, want.Interval)
	}
}
