package bridge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Equal mails, and mails of which little is known, come again.

func TestAnEqualMailIsNotTakenForOneWeDeleted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 100))
		w.killed(StepClose, After, Delete)
		if n := len(w.drop.mails); n != 0 {
			t.Fatalf("%d messages at the source, the test wants none", n)
		}
		w.drop.add(message(1, 100))
		w.want(w.sync(Delete), Report{Listed: 1, Imported: 1})
		w.arrived(Delete)
	})
}

// TestALostAnswerToQUITCostsNoMail: whether or not the server carried out the
// deletions, no message is lost and none comes twice.
func TestALostAnswerToQUITCostsNoMail(t *testing.T) {
	for _, carriedOut := range []bool{true, false} {
		for _, k := range []kind{pop3, nameless} {
			t.Run(fmt.Sprint(k, "/carried out ", carriedOut), func(t *testing.T) {
				bubble(t, func(t *testing.T) { lostQUIT(t, k, carriedOut) })
			})
		}
	}
}

func lostQUIT(t *testing.T, k kind, carriedOut bool) {
	w := newWorld(t, k, message(1, 100), message(2, 100))
	server := odd{quit: func(quit func() error) error {
		if carriedOut {
			_ = quit()
		}
		return lost()
	}}
	rep, err := w.live(t.Context(), &life{mutate: server.at}, Delete)
	if f, ok := mail.AsFault(err); !ok || f.Code != "cut" || rep.Imported != 2 {
		t.Errorf("got %+v, %v; want both imported, and the fault", rep, err)
	}
	w.drop.add(message(3, 100))
	if k == pop3 { // without ids nobody could tell it from the one before
		w.drop.add(message(1, 100))
	}
	w.sync(Delete)
	w.arrived(Delete)
}

// TestADeletionThatFailsCostsNoMail: of several DELE one is refused, and QUIT
// carries out the others.
func TestADeletionThatFailsCostsNoMail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 100), message(2, 100), message(3, 100))
		server := odd{remove: func(all remove, refs []mail.Ref) error {
			if err := all(refs[1:]); err != nil {
				return err
			}
			return &mail.Fault{Class: mail.Transient, Code: "delete_failed", Text: "not carried out"}
		}}
		if f := w.sync(Delete, server.at).Undone; f == nil || f.Code != "delete_failed" {
			t.Errorf("got %v, want delete_failed", f)
		}
		w.drop.add(message(3, 100))
		w.drop.add(message(2, 100))
		w.sync(Delete)
		w.arrived(Delete)
	})
}

// A header that tells nothing makes all of them look the same.
func headerless(n int) string { return fmt.Sprintf("\r\nbody %d\r\n", n) }

func TestHeaderlessMailsOneAfterTheOtherAllArrive(t *testing.T) {
	for _, policy := range []Disposal{Leave, Delete} {
		for _, k := range []kind{pop3, nameless, imap} {
			t.Run(fmt.Sprint(k, "/", policy), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, k)
					for i := range 4 {
						w.drop.mails = nil // another client has taken the one before,
						if k == nameless {
							w.sync(policy) // and without ids that has to be seen
						}
						w.drop.add(headerless(i))
						w.want(w.sync(policy), Report{Listed: 1, Imported: 1})
					}
					for i := range 4 {
						if n := w.gmail.copies[headerless(i)]; n != 1 {
							t.Errorf("message %d is in Gmail %d times, want once", i, n)
						}
					}
				})
			})
		}
	}
}

func TestManyHeaderlessMailsAreAllDeletedOnceTheyAreInGmail(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, k)
				for i := range 3 * maxDeletes / 2 {
					w.drop.add(headerless(i))
				}
				w.sync(Delete)
				w.arrived(Delete)
			})
		})
	}
}

// TestWhatSinceHidesIsNotGone: a server-side SEARCH SINCE leaves old messages
// out of the listing. They are neither orphans nor renumbered.
func TestWhatSinceHidesIsNotGone(t *testing.T) {
	t.Run("a claim is not given up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, imap, message(1, 300))
			w.killed(StepClaim, After, Leave)
			w.want(w.sync(Leave, hides(1)), Report{})
			w.want(w.sync(Leave), Report{Listed: 1, Imported: 1})
			w.arrived(Leave)
		})
	})
	t.Run("an equal mail is another one", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, imap, message(1, 100))
			w.sync(Leave)
			w.drop.add(message(1, 100))
			w.want(w.sync(Delete, hides(1)), Report{Listed: 1, Imported: 1})
			w.sync(Delete)
			w.arrived(Delete)
		})
	})
	t.Run("so is one that says as little", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, imap, headerless(1), message(2, 100), message(3, 100))
			w.sync(Leave)
			w.drop.add(headerless(4))
			w.want(w.sync(Leave, hides(3)), Report{Listed: 1, Imported: 1})
			w.want(w.sync(Leave), Report{Listed: 4, Already: 4})
			w.arrived(Leave)
		})
	})
}

// TestAClaimUnderAReusedIDIsCarriedOn: the id of an imported message names
// another one, whose claim a crash leaves.
func TestAClaimUnderAReusedIDIsCarriedOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 100))
		w.sync(Leave)
		w.drop.mails[0].raw = message(2, 100)
		w.drop.ever[message(2, 100)]++
		w.killed(StepClaim, After, Delete)
		if n := w.open(); n != 1 {
			t.Fatalf("%d claims, the test wants one", n)
		}
		w.want(w.sync(Leave), Report{Listed: 1, Imported: 1})
		w.want(w.sync(Leave), Report{Listed: 1, Already: 1})
		if n := w.open(); n != 0 {
			t.Errorf("%d claims are still open", n)
		}
		if n := w.gmail.copies[message(2, 100)]; n != 1 {
			t.Errorf("the second message is in Gmail %d times, want once", n)
		}
	})
}

// TestAHeaderThatIsTooLongToLookAtIsStillAnIdentity: what a Source gives of it
// and what a transfer reads of it end at the same octet.
func TestAHeaderThatIsTooLongToLookAtIsStillAnIdentity(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				long := "X-Long: " + strings.Repeat("a\r\n ", mail.MaxHeader/3) + "\r\n"
				w := newWorld(t, k, message(1, 100), long+message(2, 100))
				w.want(w.sync(Leave), Report{Listed: 2, Imported: 2})
				w.want(w.sync(Leave), Report{Listed: 2, Already: 2})
				w.sync(Delete)
				w.arrived(Delete)
			})
		})
	}
}
