package gmail_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Facts 2.5: what import refuses for the message's sake.
func TestRefusalsOfImport(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ msg, code string }{
		"no From":          {"Subject: x\r\n\r\nhello", "gmail_single_from"},
		"two Froms":        {"From: a@example.net\r\nFrom: b@example.net\r\n\r\nhello", "gmail_single_from"},
		"bad From":         {"From: nobody at all\r\n\r\nhello", "gmail_invalid_from"},
		"empty From":       {"From: \r\n\r\nhello", "gmail_invalid_from"},
		"no header at all": {"\r\nFrom: a@example.net\r\n\r\nhello", "gmail_single_from"},
		"only in the body": {"Subject: x\r\n\r\nFrom: a@example.net\r\n", "gmail_single_from"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, gmailtest.Options{CheckFrom: true})
			b := []byte(c.msg)
			s := w.open(t, int64(len(b)))
			_, err := w.client.Put(t.Context(), s, whole(b))
			wantFault(t, err, mail.Refused, c.code)
			_, err = w.client.Query(t.Context(), s, int64(len(b))) // as a process would that crashed before it heard
			wantFault(t, err, mail.Refused, c.code)
			w.exactlyOnce(t)

			w = newWorld(t, gmailtest.Options{})
			s = w.open(t, int64(len(b)))
			a, err := w.client.Put(t.Context(), s, whole(b))
			done(t, a, err)
			if w.Messages(user)[0].FromOK {
				t.Error("FromOK although the check would refuse it")
			}
		})
	}
}

func TestUsableFromsPassTheCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{CheckFrom: true})
	for _, from := range []string{"a@example.net", "<a@example.net>", `"A, B" <a@example.net>`, "=?utf-8?q?=C3=A4?= <a@example.net>",
		"a@example.net (Ann)", "Ann\r\n <a@example.net>", `"odd one"@example.net`, "ä <a@example.net>"} {
		b := []byte("Subject: x\r\nfrom : " + from + "\r\n\r\nhello")
		if from == `"odd one"@example.net` {
			b = []byte("From: <" + from + ">\n\nbare line feeds")
		}
		a, err := w.client.Put(t.Context(), w.open(t, int64(len(b))), whole(b))
		if err != nil || !a.Done {
			t.Errorf("%s: %+v, %v", from, a, err)
		}
	}
}

func TestLabelsThatCannotBeSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	for _, id := range []string{"SENT", "DRAFT", "Label_99", "inbox"} {
		_, err := w.client.Open(t.Context(), mail.Upload{LabelIDs: []string{id}, Size: 1})
		wantFault(t, err, mail.Refused, "gmail_label_missing")
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{MaxSize: 2 * align})
	_, err := w.client.Open(t.Context(), mail.Upload{Size: 2*align + 1})
	wantFault(t, err, mail.Refused, "gmail_too_large")
	s := w.open(t, -1)
	b := message(3 * align)
	a, err := w.client.Put(t.Context(), s, part(b, 0, 2*align, -1))
	stored(t, a, err, 2*align)
	_, err = w.client.Put(t.Context(), s, part(b, 2*align, 3*align, 3*align))
	wantFault(t, err, mail.Refused, "gmail_too_large")
	w.exactlyOnce(t)
}

func TestMissingScopeIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	w.tokens.scopes = []string{gmailtest.ScopeLabels}
	_, err := w.client.Open(t.Context(), mail.Upload{Size: 1})
	wantFault(t, err, mail.Grant, "grant_scope_missing")
}

func TestGmailsOwnDeduplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{Dedup: true})
	b := message(500)
	var ids [2]string
	for i := range ids {
		s, err := w.client.Open(t.Context(), mail.Upload{LabelIDs: [][]string{{"INBOX"}, {"STARRED"}}[i], Size: 500})
		if err != nil {
			t.Fatal(err)
		}
		a, err := w.client.Put(t.Context(), s, whole(b))
		done(t, a, err)
		ids[i] = a.GmailID
	}
	w.exactlyOnce(t, b)
	if m := w.Messages(user)[0]; len(m.Labels) != 2 || ids[0] != ids[1] || w.Stats().Suppressed != 1 {
		t.Errorf("after a double: %+v, ids %v", m, ids)
	}
}

// The limits, in the words of each: some name a time.
func TestQuotasAnswerInGmailsWords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, gmailtest.Options{})
		open := func() error {
			_, err := w.client.Open(t.Context(), mail.Upload{Size: 1})
			return err
		}
		exhaust := func(n int) {
			t.Helper()
			for range n {
				if err := open(); err != nil {
					t.Fatal(err)
				}
			}
		}
		limited := func(scope string, wait time.Duration) {
			t.Helper()
			f := wantFault(t, open(), mail.RateLimited, "gmail_rate")
			if wait == 0 {
				if f.Scope != scope || !f.Until.IsZero() {
					t.Errorf("scope %q until %v, want %q and no time", f.Scope, f.Until, scope)
				}
				return
			}
			if d := time.Until(f.Until); f.Scope != scope || d < wait-time.Second || d > wait+time.Second {
				t.Errorf("scope %q for %v, want %q for about %v", f.Scope, d, scope, wait)
			}
			time.Sleep(time.Until(f.Until))
		}
		w.SetQuota(gmailtest.Quota{UserUnitsPerMinute: 100})
		exhaust(4)
		limited("user", 15*time.Second)
		exhaust(1) // not before, and then at once
		limited("user", 15*time.Second)

		w.SetQuota(gmailtest.Quota{ProjectUnitsPerMinute: 6000})
		exhaust(240)
		limited("project", 0)

		w.SetQuota(gmailtest.Quota{ProjectUnitsPerDay: 50})
		exhaust(2)
		limited("day", time.Hour)

		w.SetQuota(gmailtest.Quota{BytesPerDay: 1000})
		a, err := w.client.Put(t.Context(), w.open(t, 1000), whole(message(1000)))
		done(t, a, err)
		limited("user", 24*time.Hour)
		exhaust(1)

		w.SetQuota(gmailtest.Quota{Concurrent: 1})
		s := w.open(t, 40_000)
		waiting := make(chan error)
		go func() {
			_, err := w.client.Put(t.Context(), s, mail.Chunk{Length: 40_000, Total: 40_000, Body: slowBody{zeros{}}})
			waiting <- err
		}()
		synctest.Wait()
		limited("concurrent", 0)
		<-waiting
	})
}
