package gmail_test

import (
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestLabelIsFoundOrCreatedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	first, err := w.client.Label(t.Context(), "Legacy/pop")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Legacy/pop", "legacy/POP"} {
		if id, err := w.client.Label(t.Context(), name); err != nil || id != first {
			t.Errorf("%s = %q, %v; want %q", name, id, err, first)
		}
	}
	if got := w.Stats().Requests[gmailtest.Label]; got != 2 { // a list and a create
		t.Errorf("requests = %d, want 2", got)
	}
	if got := w.Labels(user); len(got) != 1 || got["Legacy/pop"] != first {
		t.Errorf("labels = %v", got)
	}
	again := join(t, w.Listening, w.transport)
	if id, err := again.client.Label(t.Context(), "LEGACY/pop"); err != nil || id != first {
		t.Errorf("another client: %q, %v; want %q", id, err, first)
	}
}

func TestManyAskForOneLabelAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	other := join(t, w.Listening, w.transport) // another process: its creation conflicts
	var wg sync.WaitGroup
	for i := range 16 {
		c := []*world{w, other}[i%2].client
		wg.Go(func() {
			if _, err := c.Label(t.Context(), "L"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.Labels(user); len(got) != 1 {
		t.Errorf("labels = %v, want one", got)
	}
}

func TestOneClientCreatesALabelOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	w.Next(gmailtest.Fault{At: gmailtest.Label, Kind: gmailtest.Delay, DelayMS: 50})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := w.client.Label(t.Context(), "L"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.Stats().Requests[gmailtest.Label]; got != 2 {
		t.Errorf("requests = %d, want a list and a create", got)
	}
}

func TestConflictMeansListAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	if _, err := w.client.Label(t.Context(), "A"); err != nil { // listed now
		t.Fatal(err)
	}
	other := join(t, w.Listening, w.transport)
	id, err := other.client.Label(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.client.Label(t.Context(), "B"); err != nil || got != id {
		t.Errorf("label = %q, %v; want %q", got, err, id)
	}
}

func TestWithoutTheLabelsScopeGmailIsAskedNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	w.tokens.scopes = []string{gmailtest.ScopeInsert}
	_, err := w.client.Label(t.Context(), "L")
	wantFault(t, err, mail.Grant, "grant_scope_labels")
	if got := w.Stats().Requests[gmailtest.Label]; got != 0 {
		t.Errorf("requests = %d, want none", got)
	}
}

func TestLabelThatTheUserDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	id, err := w.client.Label(t.Context(), "L")
	if err != nil {
		t.Fatal(err)
	}
	w.DeleteLabel(user, id)
	_, err = w.client.Open(t.Context(), mail.Upload{LabelIDs: []string{id}, Size: 1})
	wantFault(t, err, mail.Refused, "gmail_label_missing")
	next, err := w.client.Label(t.Context(), "L")
	if err != nil || next == id {
		t.Fatalf("label = %q, %v; want a new one", next, err)
	}
	if _, err := w.client.Open(t.Context(), mail.Upload{LabelIDs: []string{next}, Size: 1}); err != nil {
		t.Error(err)
	}
}

func TestLabelNamesThatGmailKeepsForItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gmailtest.Options{})
	for _, name := range []string{"Inbox", "SENT", "  "} {
		_, err := w.client.Label(t.Context(), name)
		wantFault(t, err, mail.Setup, "label_name")
	}
}

func TestLabelFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault gmailtest.Fault
		class mail.Class
		code  string
	}{
		"503":          {gmailtest.Fault{Kind: gmailtest.Answer, Status: 503}, mail.Transient, "gmail_unavailable"},
		"cut":          {gmailtest.Fault{Kind: gmailtest.Drop, Times: -1}, mail.Transient, "gmail_unreachable"},
		"garbage":      {gmailtest.Fault{Kind: gmailtest.Answer, Status: 200, Body: "<html>"}, mail.Transient, "gmail_unreachable"},
		"rate":         {gmailtest.Fault{Kind: gmailtest.Answer, Status: 429, Body: "{}"}, mail.RateLimited, "gmail_rate"},
		"401 for ever": {gmailtest.Fault{Kind: gmailtest.Answer, Status: 401, Times: -1, Body: "{}"}, mail.Grant, "grant_unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, gmailtest.Options{})
			c.fault.At = gmailtest.Label
			w.Next(c.fault)
			_, err := w.client.Label(t.Context(), "L")
			wantFault(t, err, c.class, c.code)
		})
	}
	w := newWorld(t, gmailtest.Options{})
	w.tokens.err = &mail.Fault{Class: mail.Revoked, Code: "grant_revoked", Text: "gone"}
	w.tokens.scopes = []string{gmailtest.ScopeLabels}
	_, err := w.client.Label(t.Context(), "L")
	wantFault(t, err, mail.Revoked, "grant_revoked")
	w = newWorld(t, gmailtest.Options{})
	if _, err := w.client.Label(t.Context(), "L"); err != nil {
		t.Fatal(err)
	}
	w.ExpireAccess(user)
	if _, err := w.client.Label(t.Context(), "M"); err != nil {
		t.Errorf("label after the token expired: %v", err)
	}
}
