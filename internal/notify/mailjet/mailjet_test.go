package mailjet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/notify/mailjet/mailjettest"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ notify.Notifier = (*Notifier)(nil)

var marks = Marks{vault.NewSecret("key of marks")}

func options(url string) Options {
	return Options{APIURL: url, Key: vault.NewSecret(mailjettest.Key), Secret: vault.NewSecret(mailjettest.Secret),
		From: "smtp-sync <" + mailjettest.Sender + ">", Marks: marks, Transport: &http.Transport{}}
}

func notifier(t *testing.T, o Options) *Notifier {
	t.Helper()
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func letter(to string) notify.Letter {
	return notify.Letter{ID: id.New[id.User]().String(), User: id.New[id.User](), To: to, Kind: notify.Digest, Subject: strings.Repeat("ä", 300), Text: "text", HTML: "<p>html",
		Unsubscribe: "https://mail.example.org/notices/digest/x"}
}

// The double refuses what Mailjet documents as refused, and tracking; it is the
// test.
func TestMailjetTakesALetter(t *testing.T) {
	t.Parallel()
	s := mailjettest.Start(t)
	l := letter("ann@example.org")
	if err := notifier(t, options(s.URL)).Send(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	got := s.Taken()
	if len(got) != 1 || got[0].To != "ann@example.org" || got[0].Text != "text" || got[0].HTML != "<p>html" || got[0].CustomID != marks.Of(l.User, l.ID) {
		t.Fatalf("taken = %+v", got)
	}
	if got[0].Headers["List-Unsubscribe"] != "<"+l.Unsubscribe+">" || got[0].Headers["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click" {
		t.Errorf("headers = %v", got[0].Headers)
	}
}

func TestWhatMailjetRefuses(t *testing.T) {
	t.Parallel()
	s := mailjettest.Start(t)
	wrongKey, wrongSender, away := options(s.URL), options(s.URL), options("http://127.0.0.1:1")
	wrongKey.Secret = vault.NewSecret("wrong")
	wrongSender.From = "somebody@else.example"
	for _, c := range []struct {
		name  string
		o     Options
		to    string
		fail  []int
		class mail.Class
		help  string
	}{
		{"an address that is none", options(s.URL), "no address", nil, mail.Refused, ""},
		{"a wrong key", wrongKey, "ann@example.org", nil, mail.Setup, "SMTPSYNC_MAILJET_SECRET"},
		{"a sender that it does not know", wrongSender, "ann@example.org", nil, mail.Setup, "SMTPSYNC_NOTIFY_FROM"},
		{"too many", options(s.URL), "ann@example.org", []int{429}, mail.RateLimited, ""},
		{"a fault of its own", options(s.URL), "ann@example.org", []int{500}, mail.Transient, ""},
		{"down", options(s.URL), "ann@example.org", []int{503}, mail.Transient, ""},
		{"a redirection", options(s.URL), "ann@example.org", []int{307}, mail.Setup, ""},
		{"nobody there", away, "ann@example.org", nil, mail.Transient, ""},
	} {
		s.Fail(c.fail...)
		err := notifier(t, c.o).Send(t.Context(), letter(c.to))
		f, ok := mail.AsFault(err)
		if !ok || f.Class != c.class || !strings.Contains(f.Help, c.help) {
			t.Errorf("%s: %v (class %v), want class %v", c.name, err, mail.ClassOf(err), c.class)
		}
		if ok && c.class == mail.RateLimited && !f.Until.After(time.Now()) {
			t.Errorf("%s: it names no time", c.name)
		}
		if ok && strings.Contains(fmt.Sprint(f, f.Err), "ann@") {
			t.Errorf("%s: the error holds the address: %v", c.name, f)
		}
	}
	if n := len(s.Taken()); n != 0 {
		t.Errorf("taken = %d, want none", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := notifier(t, options(s.URL)).Send(ctx, letter("ann@example.org")); !errors.Is(err, context.Canceled) {
		t.Errorf("without time: %v", err)
	}
}

func TestEventsSuppress(t *testing.T) {
	t.Parallel()
	u, letter := id.New[id.User](), id.New[id.User]().String()
	ours := mailjettest.Message{To: "ann@example.org", CustomID: marks.Of(u, letter)}
	forged := ours
	forged.CustomID = Marks{vault.NewSecret("another key")}.Of(u, letter)
	another := ours
	another.CustomID = strings.Replace(ours.CustomID, u.String(), id.New[id.User]().String(), 1)
	for _, c := range []struct {
		name string
		body string
		want string
	}{
		{"a hard bounce", string(mailjettest.Event("bounce", ours, map[string]any{"hard_bounce": true, "blocked": true})), "bounce"},
		{"a soft one", string(mailjettest.Event("bounce", ours, map[string]any{"hard_bounce": false, "blocked": false})), ""},
		{"a complaint", string(mailjettest.Event("spam", ours, map[string]any{"source": "JMRPP"})), "spam"},
		{"unsubscribed", string(mailjettest.Event("unsub", ours, nil)), "spam"},
		{"blocked for what it says", string(mailjettest.Event("blocked", ours, map[string]any{"error_related_to": "content"})), ""},
		{"blocked for whom it is", string(mailjettest.Event("blocked", ours, map[string]any{"error_related_to": "mailjet", "error": "preblocked"})), "blocked"},
		{"delivered", string(mailjettest.Event("sent", ours, nil)), ""},
		{"opened", string(mailjettest.Event("open", ours, nil)), ""},
		{"somebody else's key", string(mailjettest.Event("spam", forged, nil)), ""},
		{"about another user", string(mailjettest.Event("spam", another, nil)), ""},
		{"without an id", string(mailjettest.Event("spam", mailjettest.Message{}, nil)), ""},
		{"several", "[" + string(mailjettest.Event("sent", ours, nil)) + "," + string(mailjettest.Event("spam", forged, nil)) + "," + string(mailjettest.Event("spam", ours, nil)) + "]", "spam"},
		{"none", "[]", ""},
	} {
		got, err := marks.Events([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		switch {
		case c.want == "" && len(got) != 0:
			t.Errorf("%s: %v, want nothing", c.name, got)
		case c.want != "" && (len(got) != 1 || got[0].What != c.want || got[0].User != u || got[0].Letter != letter):
			t.Errorf("%s: %v, want one %s of %s", c.name, got, c.want, u)
		}
	}
	for _, bad := range []string{"", "null x", `"text"`, "{", `[1]`, strings.Repeat("[", 100_000)} {
		if _, err := marks.Events([]byte(bad)); err == nil {
			t.Errorf("%.20q was taken", bad)
		}
	}
}
