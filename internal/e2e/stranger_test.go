package e2e

import (
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// TestAStrangerFollowsTheDemo knows nothing but what the terminal and the pages
// say, starts the demo, adds a mailbox by its address and sees its mail arrive
// within a minute; then ends it as the terminal says.
func TestAStrangerFollowsTheDemo(t *testing.T) {
	t.Parallel()
	sharedChromium(t)
	for _, b := range browsers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			begun := time.Now()
			p := sit(t, strings.TrimSuffix(d.read(`Open +(http://\S+/)`), "/"), b.scripts)
			shows := func(step string) { p.picture(t.ArtifactDir(), step) }
			p.open("/")
			p.follow("Sign in with Google")
			shows("1-google")
			p.sees("This page stands in for Google", d.read(`Sign in +as (\S+):`))
			p.follow("Continue")
			p.sees("Mailboxes", "old provider (POP3)", "university (IMAP)")
			shows("2-mailboxes")

			p.follow("Add a mailbox")
			address, password := p.reads(`The mailbox (\S+) waits to be added`), p.reads(`its password is: (\S+)`)
			if told := d.read(`the mailbox (\S+ with the password \S+),`); told != address+" with the password "+password {
				t.Errorf("the page says %s and %s, the terminal %s", address, password, told)
			}
			shows("3-address")
			p.fill("E-mail address of the old mailbox", address)
			p.follow("Find the server")
			p.sees("We have found a way to this mailbox.", "named by the domain")
			p.sees("its password is: " + password)
			shows("4-server")
			p.fill("Password", password)
			p.follow("Test the connection")
			p.sees("It works: we can sign in and see the mail.", "It can be in Gmail today.")
			shows("5-mail")
			p.follow("Add the mailbox")

			added := time.Now()
			p.sees(address)
			p.imports(func(n int) bool { return n >= 8 }) // what has waited
			first := p.imported()
			p.imports(func(n int) bool { return n > first }) // what arrives now
			t.Logf("the mailbox is added %v after the start; from adding the mailbox to new mail %v", added.Sub(begun).Round(100*time.Millisecond), time.Since(added).Round(100*time.Millisecond))
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("it took %v", took)
			}
			p.sees("Newest messages", "imported")
			shows("6-mailbox")
			p.seesNot("Nothing has arrived yet.")
			d.read(`a mailbox of yours +imported`)
			d.end()
		})
	}
}

// reads waits until the page has what matches, and gives the part in brackets.
func (p *person) reads(pattern string) string {
	p.t.Helper()
	p.until("to read "+pattern, `new RegExp(%s).test(document.body.innerText)`, pattern)
	return regexp.MustCompile(pattern).FindStringSubmatch(p.text())[1]
}

// terminal is a command whose words somebody reads.
type terminal struct {
	t     *testing.T
	cmd   *exec.Cmd
	said  *logged
	ended chan error
}

func startDemo(t *testing.T) *terminal {
	t.Helper()
	in := install(t, gmailtest.Options{})
	in.env = map[string]string{"TMPDIR": t.TempDir(), "PATH": os.Getenv("PATH"), "SMTPSYNC_LISTEN": "127.0.0.1:0"}
	d := &terminal{t: t, cmd: in.command(context.WithoutCancel(t.Context()), "demo"), said: new(logged), ended: make(chan error, 1)}
	d.cmd.Stdout, d.cmd.Stderr = d.said, io.Writer(d.said)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait(); close(d.ended) }()
	t.Cleanup(func() { _ = d.cmd.Process.Kill(); <-d.ended })
	return d
}

// read waits until the terminal has what matches, and gives the part in
// brackets, if there is one.
func (d *terminal) read(pattern string) string {
	d.t.Helper()
	for end := time.Now().Add(slow); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(d.said.String()); m != nil {
			return m[len(m)-1]
		}
	}
	d.t.Fatalf("the terminal does not say %s:\n%s", pattern, d.said)
	return ""
}

// end presses Ctrl-C.
func (d *terminal) end() {
	d.t.Helper()
	d.read(`end with Ctrl-C`)
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		d.t.Fatal(err)
	}
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Errorf("the demo: %v\n%s", err, d.said)
		}
	case <-time.After(time.Minute):
		d.t.Fatalf("the demo has not ended\n%s", d.said)
	}
	d.read(`Everything the demo stored is deleted`)
}

// imported is how many messages of its mailbox the page has; -1 where it does
// not say.
func (p *person) imported() int {
	is, err := eval[string](p, `[...document.querySelectorAll("dt")].find(e => e.innerText === "Imported in all").nextElementSibling.innerText`)
	first, _, _ := strings.Cut(is, " ")
	n, bad := strconv.Atoi(strings.ReplaceAll(first, ",", ""))
	if err != nil || bad != nil {
		return -1
	}
	return n
}

// imports waits until the page says how many were imported: by itself, or, if
// it cannot, when it is loaded again.
func (p *person) imports(enough func(int) bool) {
	p.t.Helper()
	for end := time.Now().Add(slow); !enough(p.imported()); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("imported: %d, and not what there must be, at %s:\n%s", p.imported(), p.where(), p.text())
		}
		if !p.scripts {
			p.open(p.where())
		}
	}
}
