package imap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
)

// digest gives what a fresh session says, or "" where it cannot say.
func digest(t testing.TB, cfg imap.Config) string {
	t.Helper()
	src := open(t, cfg)
	defer src.Close(t.Context())
	var b strings.Builder
	ok, err := src.Digest(t.Context(), &b)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return ""
	}
	return b.String()
}

// A mailbox is what the tests of the digest change, on whatever server.
type changeable struct {
	cfg     imap.Config
	deliver func(folder string)
	flag    func(folder string, uid uint32, flag string, set bool)
	remove  func(folder string, uid uint32)
}

// whatChanges changes the listing in every way there is; with flags, also what
// is not seen without HIGHESTMODSEQ.
func whatChanges(t *testing.T, m changeable, flags bool) {
	t.Helper()
	before := digest(t, m.cfg)
	if before == "" {
		t.Fatal("no digest")
	}
	if again := digest(t, m.cfg); again != before {
		t.Errorf("nothing changed, but\n%s became\n%s", before, again)
	}
	steps := []struct {
		what string
		do   func()
	}{
		{"a message in the first folder", func() { m.deliver("INBOX") }},
		{"one in the second", func() { m.deliver("Archive") }},
		{"one gone", func() { m.remove("INBOX", 2) }},
		{"one gone and one come", func() { m.remove("INBOX", 1); m.deliver("INBOX") }},
		{"one flagged as deleted", func() { m.flag("INBOX", 3, `\Deleted`, true) }},
		{"another instead of it", func() { m.flag("INBOX", 3, `\Deleted`, false); m.flag("INBOX", 4, `\Deleted`, true) }},
		{"undeleted", func() { m.flag("INBOX", 4, `\Deleted`, false) }},
		{"deleted in the second folder", func() { m.flag("Archive", 1, `\Deleted`, true) }},
	}
	if flags {
		steps = append(steps, struct {
			what string
			do   func()
		}{"seen", func() { m.flag("INBOX", 3, `\Seen`, true) }})
	}
	for _, s := range steps {
		s.do()
		after := digest(t, m.cfg)
		if after == before {
			t.Errorf("%s: the digest stayed\n%s", s.what, after)
		}
		before = after
	}
}

func TestDigestChangesWithTheListing(t *testing.T) {
	t.Parallel()
	for _, without := range [][]string{nil, {"ESEARCH"}} {
		_, box, addr := serve(t, imap.TLS, imapd.Options{Without: without})
		box.AddFolder("Archive")
		for range 3 {
			box.Deliver("INBOX", []byte("x"))
		}
		box.Deliver("Archive", []byte("x"))
		cfg := config(t, addr, imap.TLS)
		cfg.Folders = []string{"INBOX", "Archive"}
		whatChanges(t, changeable{cfg: cfg,
			deliver: func(folder string) { box.Deliver(folder, []byte("x")) },
			remove:  box.Remove,
			flag: func(folder string, uid uint32, flag string, set bool) {
				if set {
					box.SetFlag(folder, uid, flag)
				} else {
					box.ClearFlag(folder, uid, flag)
				}
			},
		}, false)
		before := digest(t, cfg)
		box.Renumber("INBOX")
		if digest(t, cfg) == before {
			t.Error("a renumbered folder has the same digest")
		}
		cfg.Since = time.Now()
		if digest(t, cfg) == digest(t, config(t, addr, imap.TLS)) {
			t.Error("another date to begin at has the same digest")
		}
	}
}

// The same where modifications are counted, by a server that was not written for this test.
func TestRealDovecotDigestChangesWithTheListing(t *testing.T) {
	t.Parallel()
	srv := dovecot.Start(t)
	if err := srv.AddUser("ann", password); err != nil {
		t.Fatal(err)
	}
	deliver := func(folder string) {
		if err := srv.Deliver("ann", folder, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		deliver("INBOX")
	}
	deliver("Archive")
	for _, way := range srv.Ways() {
		if way.Protocol != "imap" || way.StartTLS {
			continue
		}
		cfg := realConfig(t, srv, way.Addr(), "ann", password, false)
		cfg.Folders = []string{"INBOX", "Archive"}
		if got := digest(t, cfg); !strings.Contains(got, "modseq") {
			t.Fatalf("digest %q, want modification counts", got)
		}
		other := login(t, cfg)
		whatChanges(t, changeable{cfg: cfg, deliver: deliver,
			remove: func(folder string, uid uint32) {
				other.do("SELECT " + folder)
				other.do(fmt.Sprintf(`UID STORE %d +FLAGS.SILENT (\Deleted)`, uid))
				other.do(fmt.Sprintf("UID EXPUNGE %d", uid))
			},
			flag: func(folder string, uid uint32, flag string, set bool) {
				other.do("SELECT " + folder)
				sign := "-"
				if set {
					sign = "+"
				}
				other.do(fmt.Sprintf("UID STORE %d %sFLAGS.SILENT (%s)", uid, sign, flag))
			},
		}, true)
	}
}

func TestDigestTakesOneRoundTripWhereModificationsAreCounted(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Caps: "IMAP4rev1 AUTH=PLAIN SASL-IR CONDSTORE", ModSeq: 7, Messages: messages("one")}
	cfg := config(t, script(t, s), imap.TLS)
	cfg.Folders = []string{"INBOX", "Work", "Junk mail"}
	before := digest(t, cfg)
	if got, want := s.Log()[len(s.Log())-4:], []string{
		`STATUS "Work"`, `STATUS "Junk mail"`, `SELECT INBOX (CONDSTORE)`, "LOGOUT",
	}; !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("sent %q, want %q", got, want)
	}
	s.ModSeq++
	if digest(t, cfg) == before {
		t.Error("a changed flag is not in the digest")
	}
}

func TestDigestSaysWhenItCannotSay(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*imapd.Script{
		"no UIDNEXT":                    {NoUIDNext: true},
		"no UIDNEXT, but HIGHESTMODSEQ": {NoUIDNext: true, ModSeq: 3, Caps: "IMAP4rev1 AUTH=PLAIN CONDSTORE"},
		"too many to search in a line": {On: func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name != "SELECT" {
				return false
			}
			w.Send("* 20001 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 30000] x\r\n")
			w.OK(c)
			return true
		}},
	} {
		if got := digest(t, config(t, script(t, s), imap.TLS)); got != "" {
			t.Errorf("%s: digest %q, want none", name, got)
		}
	}
}

func TestServerThatRefusesItsOwnCondstoreIsAskedWithout(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Caps: "IMAP4rev1 AUTH=PLAIN CONDSTORE", ModSeq: 3, Messages: messages("one"), On: func(w *imapd.Wire, c imapd.Command) bool {
		if !strings.HasSuffix(c.Args, "(CONDSTORE)") {
			return false
		}
		w.Send(c.Tag + " BAD what is that\r\n")
		return true
	}}
	cfg := config(t, script(t, s), imap.TLS)
	if digest(t, cfg) == "" || len(list(t, open(t, cfg))) != 1 {
		t.Error("no digest or no listing")
	}
}

func TestListAfterDigestSelectsNothingAgain(t *testing.T) {
	t.Parallel()
	srv, box, addr := serve(t, imap.TLS, imapd.Options{})
	box.Deliver("INBOX", []byte("one"))
	src := open(t, config(t, addr, imap.TLS))
	if ok, err := src.Digest(t.Context(), &strings.Builder{}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	box.Deliver("INBOX", []byte("between"))
	first := list(t, src)
	if n := srv.Seen("SELECT"); n != 1 || len(first) == 0 {
		t.Errorf("%d SELECTs, %d messages; want one SELECT", n, len(first))
	}
	box.Deliver("INBOX", []byte("later"))
	if second := list(t, src); len(second) != 3 || srv.Seen("SELECT") != 2 {
		t.Errorf("the second listing shows %d messages after %d SELECTs, want 3 after 2", len(second), srv.Seen("SELECT"))
	}
}

func TestDigestNamesAMissingFolder(t *testing.T) {
	t.Parallel()
	_, _, addr := serve(t, imap.TLS, imapd.Options{})
	cfg := config(t, addr, imap.TLS)
	cfg.Folders = []string{"INBOX", "Reisen"}
	_, err := open(t, cfg).Digest(t.Context(), &strings.Builder{})
	if f := fault(t, err); f.Class != mail.Setup || f.Code != "folder_missing" {
		t.Errorf("got %v", f)
	}
}
