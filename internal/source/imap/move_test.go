package imap_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// TestMessagesAreMovedAndNoOtherIsExpunged: what its owner has flagged stays,
// with MOVE and without, and a folder that is not there is made.
func TestMessagesAreMovedAndNoOtherIsExpunged(t *testing.T) {
	t.Parallel()
	srv := dovecot.Start(t)
	for i := range 3 { // all at once: Dovecot may overlook a later one
		if err := srv.AddUser(fmt.Sprint("ann", i), password); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct {
		name             string
		noMove, noUIDPLS bool
		left, moved      []int
	}{
		{"MOVE", false, false, []int{0, 1}, []int{2, 3}},
		{"COPY and UID EXPUNGE", true, false, []int{0, 1}, []int{2, 3}},
		{"neither", true, true, []int{0, 1, 2, 3}, nil},
	} {
		user := fmt.Sprint("ann", i)
		t.Run(c.name, func(t *testing.T) {
			for n := range 4 {
				if err := srv.Deliver(user, "INBOX", testkit.Message(uint64(n))); err != nil {
					t.Fatal(err)
				}
			}
			flagAsDeleted(t, srv, user, 1)
			cfg := realConfig(t, srv, srv.Ways()[2].Addr(), user, password, false)
			cfg.Flagged = true
			s, err := imap.New(cfg).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.noMove {
				imap.Lack(s, c.noUIDPLS)
			}
			refs := list(t, s)
			err = s.Move(t.Context(), refs[len(refs)-2:], "Alt/Entwürfe & Co")
			if c.noUIDPLS {
				if f := fault(t, err); f.Class != mail.Setup || f.Code != "move_unsupported" || f.Help == "" {
					t.Errorf("%v", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			holds(t, srv, user, "INBOX", c.left)
			holds(t, srv, user, "Alt/Entw&APw-rfe &- Co", c.moved)
		})
	}
}

// TestACopyOfBeforeACrashIsNotMadeTwice: without MOVE it takes three commands.
func TestACopyOfBeforeACrashIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	srv := dovecot.Start(t)
	if err := srv.AddUser("ann", password); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if err := srv.Deliver("ann", "INBOX", testkit.Message(uint64(n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := srv.Deliver("ann", "Old", testkit.Message(0)); err != nil {
		t.Fatal(err)
	}
	flagAsDeleted(t, srv, "ann", 0)
	cfg := realConfig(t, srv, srv.Ways()[2].Addr(), "ann", password, false)
	cfg.Flagged = true
	s := open(t, cfg)
	imap.Lack(s, false)
	refs := list(t, s)
	if len(refs) != 2 || !refs[0].Deleted {
		t.Fatalf("%+v", refs)
	}
	if err := s.Move(t.Context(), refs, "Old"); err != nil {
		t.Fatal(err)
	}
	holds(t, srv, "ann", "INBOX", nil)
	holds(t, srv, "ann", "Old", []int{0, 1})
}

// flagAsDeleted sets \Deleted on the n-th message of the inbox.
func flagAsDeleted(t *testing.T, srv *dovecot.Server, user string, n int) {
	t.Helper()
	paths, err := srv.Files(user, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	from := paths[n]
	to := filepath.Join(filepath.Dir(filepath.Dir(from)), "cur", strings.SplitN(filepath.Base(from), ":", 2)[0]+":2,T")
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// holds fails the test unless exactly these messages are in a folder.
func holds(t *testing.T, srv *dovecot.Server, user, folder string, want []int) {
	t.Helper()
	paths, err := srv.Files(user, folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, p := range paths {
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			if bytes.Equal(raw, testkit.Message(uint64(n))) {
				got = append(got, n)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %v, want %v", folder, got, want)
	}
}
