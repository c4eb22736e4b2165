package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/testkit/tokend"
)

// TestAMailboxIsOpenedWithItsProvidersSignIn: in a real browser, with a real
// Dovecot that asks a provider about each token. Somebody says no, then yes; mail
// arrives; a token ends before its time; the provider ends the permission, which
// the pages say with the cure; and after the cure nothing has come twice.
func TestAMailboxIsOpenedWithItsProvidersSignIn(t *testing.T) {
	t.Parallel()
	sharedChromium(t)
	for i, h := range []history{{"imaps", "leave"}, {"pop3s", "leave"}} {
		b := browsers[i]
		t.Run(h.scheme+" "+b.name, func(t *testing.T) {
			t.Parallel()
			provider := tokend.Start(t, tokend.Options{Rotate: true})
			d := dovecot.StartTokens(t, dovecot.Tokens{Mechanisms: []string{"xoauth2", "oauthbearer"}[i], Info: provider.URL + "/tokeninfo?access_token="})
			if err := d.AddUser("ann", password); err != nil { // the password is for the witness
				t.Fatal(err)
			}
			for n := range uint64(3) {
				deliver(t, d, "ann", n)
			}
			s := open(t, gmailtest.Options{})
			m := s.at(d, h, "ann")
			s.env["SMTPSYNC_OAUTH_SOURCES_FILE"] = s.write(filepath.Join(t.TempDir(), "providers.json"), fmt.Sprintf(`{"providers": [
				{"id": "home", "name": "Home", "hosts": ["127.0.0.1"], "client_id": %q, "client_secret": %q, "authorization": "%s/authorize", "token": "%s/token",
				 "scopes": {"imap": [%q], "pop3": [%q]}}]}`, tokend.ClientID, tokend.ClientSecret, provider.URL, provider.URL, tokend.ScopeIMAP, tokend.ScopePOP))
			provider.Set(func(o *tokend.Options) { o.Redirect = "http://" + s.pages + "/auth/source/home/callback" })
			s.start()
			w := &walk{s: s, email: user, person: sit(t, "http://"+s.pages, b.scripts)}
			w.signsIn()

			w.follow("Add a mailbox")
			w.follow("Enter the server by hand")
			if m.Protocol == "pop3" {
				w.choose("Protocol", "POP3")
			}
			w.fill("Server name", "127.0.0.1")
			w.fill("Port", strconv.Itoa(m.Port))
			w.fill("User name", "ann")
			w.follow("Sign in with the provider instead")
			w.sees("Allow access to your mail?")
			w.follow("Deny")
			w.sees("Home's page was answered with no", "Start again and allow it")
			w.follow("Sign in with Home")
			w.follow("Allow")
			w.sees("Home lets us read this mailbox.")
			w.seesNot("Password")
			w.follow("Test the connection")
			w.sees("It works: we can sign in and see the mail.")
			w.follow("Add the mailbox")
			w.follow("Go on to Google")
			w.google()
			w.sees("Opened with the sign-in of", "Home")
			box := w.where()
			s.arrived(3, slow)

			again := func() { // IMAP keeps its connection for hours; a start logs in anew
				if m.Protocol == "imap" {
					if code, _ := s.stop(syscall.SIGTERM); code != 0 {
						t.Errorf("exit %d\n%s", code, s.stderr)
					}
					s.start()
				}
			}
			before := provider.Refreshes()
			provider.Expire()
			deliver(t, d, "ann", 3)
			again()
			s.arrived(4, slow)
			if n := provider.Refreshes() - before; n != 1 {
				t.Errorf("%d refreshes for one token that has ended", n)
			}

			provider.Revoke("ann")
			deliver(t, d, "ann", 4)
			again()
			w.until("the mailbox needs its user", `fetch(%s).then(r => r.text()).then(t => t.includes("Needs you"))`, box)
			w.open(box)
			w.sees("Needs you", "Home does not let us into this mailbox any more", "What helps:", "nothing is imported twice")
			if n := total(s.gmail.Hashes(user)); n != 4 {
				t.Errorf("%d messages in Gmail, want 4", n)
			}
			w.follow("Connect again with the provider’s sign-in")
			w.sees("Sign in there as ann")
			w.follow("Sign in with Home")
			w.follow("Allow")
			w.sees("Opened with the sign-in of")
			if at := w.where(); at != box {
				t.Errorf("led to %s, want %s", at, box)
			}
			s.arrived(5, slow)
			deliver(t, d, "ann", 5)
			s.arrived(6, slow)
			time.Sleep(1500 * time.Millisecond) // a poll more, which would bring what comes twice
			once(t, s.gmail.Hashes(user), truth(t, d, h.way(d), "ann"))
			if code, _ := s.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d\n%s", code, s.stderr)
			}
			noToken(t, s)
		})
	}
}

// noToken looks for tokens in the log and in everything that was written.
func noToken(t *testing.T, s *service) {
	t.Helper()
	marks := []string{"access-", "refresh-", tokend.ClientSecret}
	look := func(where string, b []byte) {
		for _, m := range marks {
			if bytes.Contains(b, []byte(m)) {
				t.Errorf("%s has %q in it", where, m)
			}
		}
	}
	look("the log", []byte(s.stderr.String()))
	if err := filepath.WalkDir(s.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		look(strings.TrimPrefix(path, s.data), b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
