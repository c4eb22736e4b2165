package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	accounts "github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// at lets the service reach a mailbox on a real Dovecot.
func (s *service) at(d *dovecot.Server, h history, name string) accounts.Mailbox {
	s.t.Helper()
	w := h.way(d)
	s.installation.at(h.scheme, name, password, w.Port, d.CA)
	return accounts.Mailbox{
		Name: name, Protocol: w.Protocol, Host: "127.0.0.1", Port: w.Port, Security: "tls", Username: name,
		Password: vault.NewSecret(password), AfterImport: h.policy, History: "all",
	}
}

// TestServeBringsNewMailOfEveryMailboxOnce: what is there, and what comes while
// it runs: by polling and by push.
func TestServeBringsNewMailOfEveryMailboxOnce(t *testing.T) {
	t.Parallel()
	d := serve(t, "ann", mixed(40)...)
	defer d.Stop()
	if err := d.AddUser("bob", password); err != nil {
		t.Fatal(err)
	}
	s := serving(t, gmailtest.Options{})
	pop, imap := history{"pop3s", "leave"}, history{"imaps", "leave"}
	s.add(s.at(d, pop, "ann"))
	s.add(s.at(d, imap, "bob"))
	s.start()
	s.arrived(42, 30*time.Second)
	s.until("the push", 10*time.Second, func() bool { return s.figure("smtpsync_actors_parked_connections") == 1 })
	for i := range 10 {
		raw := testkit.Message(uint64(5000 + i))
		if err := d.Deliver([]string{"ann", "bob"}[i%2], "", raw); err != nil {
			t.Fatal(err)
		}
	}
	s.arrived(52, 10*time.Second)
	if code, took := s.stop(syscall.SIGTERM); code != 0 || took > 5*time.Second {
		t.Errorf("exit %d after %v\n%s", code, took, s.stderr)
	}
	want := truth(t, d, pop.way(d), "ann")
	for k, n := range truth(t, d, imap.way(d), "bob") {
		want[k] += n
	}
	once(t, s.gmail.Hashes(user), want)
	if strings.Contains(s.stderr.String(), password) {
		t.Error("a password in the log")
	}
}

// TestServeSaysWhatItsSettingsLack: one line for each, exit 2.
func TestServeSaysWhatItsSettingsLack(t *testing.T) {
	t.Parallel()
	s := serving(t, gmailtest.Options{})
	delete(s.env, "SMTPSYNC_GOOGLE_CLIENT_ID")
	if r := s.run("serve"); r.code != 2 || !strings.Contains(r.stderr, "SMTPSYNC_GOOGLE_CLIENT_ID") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	s.env["SMTPSYNC_GOOGLE_CLIENT_ID"] = gmailtest.DefaultClientID
	if r := s.run("healthcheck"); r.code != 1 || !strings.Contains(r.stderr, "nothing answers") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}
