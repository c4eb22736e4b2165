package e2e

import (
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// TestServeSaysNothingAboutAPerson: neither its log at its most talkative nor
// its metrics hold a secret, an address or mail, whatever fails; and it says what failed.
func TestServeSaysNothingAboutAPerson(t *testing.T) {
	t.Parallel()
	canary := testkit.NewCanary()
	ca := testkit.NewCA()
	s := serving(t, gmailtest.Options{})
	s.env["SMTPSYNC_LOG_LEVEL"] = "debug"
	for _, h := range hosts {
		s.add(h.mailbox(t, s, ca))
	}
	drop := pop3d.NewMemory(canary.Message(3000))
	s.add(host{}.mailboxWith(t, s, ca, drop))
	s.start()
	s.arrived(1, 20*time.Second)
	// Gmail refuses what comes next, in several ways.
	for i, kind := range []gmailtest.Kind{gmailtest.Drop, gmailtest.Answer, gmailtest.CommitThenDrop} {
		s.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: kind, Status: 503, Times: 1})
		drop.Add(canary.Message(4000 + i))
		time.Sleep(2 * time.Second)
	}
	s.until("each useless host has failed", 40*time.Second, func() bool {
		return strings.Count(s.stderr.String(), "pass failed") >= len(hosts) // the silent one takes ten seconds
	})
	res, err := http.Get("http://" + s.figures + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	metrics, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	token, err := os.ReadFile(s.token)
	if err != nil {
		t.Fatal(err)
	}
	for what, said := range map[string]string{"log": s.stderr.String(), "metrics": string(metrics)} {
		if hits := canary.Find([]byte(said)); len(hits) > 0 {
			t.Errorf("the %s has the marker as %v", what, hits)
		}
		for name, secret := range map[string]string{
			"password": password, "refresh token": strings.TrimSpace(string(token)), "Gmail address": user,
			"client secret": gmailtest.DefaultClientSecret,
		} {
			if strings.Contains(said, secret) {
				t.Errorf("the %s has a %s", what, name)
			}
		}
	}
}
