package e2e

import (
	"bufio"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// TestARenumberedMailboxIsNotImportedAgain: a real Dovecot forgets its UIDs,
// so that UIDVALIDITY and every UIDL change.
func TestARenumberedMailboxIsNotImportedAgain(t *testing.T) {
	t.Parallel()
	d := sharedDovecot(t)
	for _, way := range d.Ways() {
		if way.StartTLS {
			continue
		}
		t.Run(way.Name, func(t *testing.T) {
			name := d.user(t, mixed(20))
			in := install(t, gmailtest.Options{})
			box := in.at(scheme(way), name, password, way.Port, d.CA)
			in.sync(box).want(t, 0, report{Listed: 21, Imported: 21})
			if err := d.ForgetUIDs(name, ""); err != nil {
				t.Fatal(err)
			}
			if err := d.Deliver(name, "", testkit.Message(1)); err != nil {
				t.Fatal(err)
			}
			in.sync(box).want(t, 0, report{Listed: 22, Already: 21, Imported: 1})
			in.sync(box).want(t, 0, report{Listed: 22, Already: 22})
			once(t, in.gmail.Hashes(user), truth(t, d.Server, way, name))
		})
	}
}

// TestFoldersLabelsAndDates: what the flags of sync promise.
func TestFoldersLabelsAndDates(t *testing.T) {
	t.Parallel()
	d := sharedDovecot(t)
	name := d.user(t, [][]byte{testkit.Message(1), testkit.Message(2)})
	if err := d.Deliver(name, "Old mail/2001", testkit.Message(3)); err != nil {
		t.Fatal(err)
	}
	in := install(t, gmailtest.Options{})
	box := in.at("imaps", name, password, d.IMAPS, d.CA)
	in.sync(box, "--folder", "Old mail/2001", "--label", "Old", "--archive").want(t, 0, report{Listed: 1, Imported: 1})
	label := in.gmail.Labels(user)["Old"]
	got := in.gmail.Messages(user)[0].Labels
	if label == "" || !slices.Contains(got, label) || slices.Contains(got, "INBOX") {
		t.Errorf("labels %v, want %q and no INBOX", got, label)
	}
	// Another folder of the same mailbox; the first one is left alone.
	in.sync(box).want(t, 0, report{Listed: 2, Imported: 2})
	if got := in.gmail.Messages(user)[1].Labels; !slices.Contains(got, "INBOX") || !slices.Contains(got, "UNREAD") {
		t.Errorf("labels %v, want INBOX and UNREAD", got)
	}
	in.sync(box, "--folder", "INBOX", "--folder", "Old mail/2001").want(t, 0, report{Listed: 3, Already: 3})
	in.sync(box, "--since", time.Now().Add(48*time.Hour).Format(time.DateOnly)).want(t, 0, report{})
	in.sync(box, "--folder", "No such").says(t, 2, "No such")
}

// TestLoginStoresAGrantThatSyncUses, through the consent page of the double.
func TestLoginStoresAGrantThatSyncUses(t *testing.T) {
	t.Parallel()
	pop := popWith(t, nil, three()...)
	in := install(t, gmailtest.Options{})
	box := in.at("pop3s", "ann", password, pop.port, pop.ca)
	args := []string{"sync", "--json", "--source", box.url, "--password-file", box.password}
	in.run(args...).says(t, 2, "smtp-sync login")

	in.gmail.SetConsent(gmailtest.Consent{Email: user})
	cmd := in.command(t.Context(), "login", "--labels")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "http") {
			res, err := http.Get(lines.Text()) // the browser, and the person who says yes
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("login: %v", err)
	}
	in.run(args...).want(t, 0, report{Listed: 3, Imported: 3})
	in.run("doctor").says(t, 0)

	// The user withdraws it: the token is destroyed, and said to be.
	in.gmail.Revoke(user)
	pop.drop.Add(testkit.Message(9))
	in.run(args...).says(t, 4, "smtp-sync login")
	in.run(args...).says(t, 2, "there is no Google grant")
}

func TestDoctorSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	in := install(t, gmailtest.Options{})
	if r := in.run("doctor"); r.code != 0 || !strings.Contains(r.stdout, "smtp-sync login") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	in.env["SMTPSYNC_POLL_EVERY"] = "5"
	if r := in.run("doctor"); r.code != 1 || !strings.Contains(r.stdout, "SMTPSYNC_POLL_EVERY") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// TestTheDemoShowsMailArriving, with nothing configured and nothing left behind.
func TestTheDemoShowsMailArriving(t *testing.T) {
	t.Parallel()
	in := install(t, gmailtest.Options{})
	tmp := t.TempDir()
	in.env = map[string]string{"TMPDIR": tmp, "PATH": os.Getenv("PATH"), "SMTPSYNC_LISTEN": "127.0.0.1:0"}
	r := in.run("demo", "--for", "9s")
	if r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}
	for _, want := range []string{"http://127.0.0.1:", "imported", "refused", "the first mail arrived", "POP3", "IMAP"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the demo does not show %q:\n%s", want, r.stdout)
		}
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v behind, %v", left, err)
	}
}
