package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

func numbered(from, to uint64) (all []uint64) {
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

// TestAProvidersMoveImportsOnlyWhatIsNew: everything gets another id, at the
// same server and then at another one, and a third of the mail is new each time.
func TestAProvidersMoveImportsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	old, next := dovecot.Start(t), dovecot.Start(t)
	for i := range 4 {
		for _, s := range []*dovecot.Server{old, next} {
			if err := s.AddUser(fmt.Sprint("ann", i), "sesame"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, way := range old.Ways() {
		t.Run(way.Name, func(t *testing.T) {
			r := newRig(t, way, old, fmt.Sprint("ann", i), "leave")
			r.deliver("INBOX", numbered(0, 20)...)
			if rep := r.sync(); rep.Imported != 20 {
				t.Fatalf("%+v", rep)
			}
			r.deliver("INBOX", numbered(20, 30)...)
			if err := old.ForgetUIDs(r.box.Username, "INBOX"); err != nil {
				t.Fatal(err)
			}
			if rep := r.sync(); rep.Imported != 10 || rep.Already != 20 || rep.Failed+rep.Doubtful != 0 {
				t.Errorf("renumbered: %+v, want 10 new ones", rep)
			}
			r.moveTo(next, i)
			all := numbered(0, 45)
			slices.Reverse(all) // in another order, as a copy may be
			r.deliver("INBOX", all...)
			if rep := r.sync(); rep.Imported != 15 || rep.Already != 30 || rep.Failed+rep.Doubtful != 0 {
				t.Errorf("at another host: %+v, want 15 new ones", rep)
			}
			for sum, n := range r.double.Hashes(gmailUser) {
				if n != 1 {
					t.Errorf("message %s is in Gmail %d times", sum, n)
				}
			}
			if n := r.double.Count(gmailUser); n != 45 {
				t.Errorf("%d messages are in Gmail, want 45", n)
			}
			if rep := r.sync(); rep.Imported != 0 {
				t.Errorf("once more: %+v", rep)
			}
		})
	}
}

// moveTo takes the mailbox to another server, by the i-th way.
func (r *rig) moveTo(s *dovecot.Server, i int) {
	way := s.Ways()[i]
	moved := newRig(r.t, way, s, r.box.Username, r.box.AfterImport)
	r.server, r.out, r.box.Port = s, moved.out, way.Port
}

// TestTwentyFoldersArriveAsMapped: labels with nesting, names in other letters,
// archive, spam, what is read, what is flagged; and what is not chosen does not.
func TestTwentyFoldersArriveAsMapped(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t)
	if err := server.AddUser("ann", "sesame"); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, server.Ways()[2], server, "ann", "leave")
	r.box.Label = "Old"
	want := map[string]int{}
	arrives := func(labels ...string) {
		slices.Sort(labels)
		want[strings.Join(labels, " ")]++
	}
	number := uint64(0)
	folder := func(f account.Folder, onDisk string, labels ...string) {
		r.box.Folders = append(r.box.Folders, f)
		r.deliver(onDisk, number, number+1, number+2)
		number += 3
		flag(t, server, onDisk, 1, "S")
		flag(t, server, onDisk, 2, "F")
		labels = append(labels, "Old")
		arrives(append(slices.Clone(labels), "UNREAD")...)
		arrives(labels...)
		arrives(append(slices.Clone(labels), "UNREAD", "STARRED")...)
	}
	folder(account.Folder{Name: "inbox"}, "INBOX", "INBOX")
	folder(account.Folder{Name: "Sent", Label: "Sent before", Archive: true}, "Sent", "Sent before")
	folder(account.Folder{Name: "Junk", Spam: true}, "Junk", "SPAM")
	folder(account.Folder{Name: "Entwürfe & Co", Label: "Entwürfe"}, "Entw&APw-rfe &- Co", "INBOX", "Entwürfe")
	for i := range 16 {
		name := fmt.Sprintf("Work/Client %d/Done", i)
		folder(account.Folder{Name: name, Label: fmt.Sprintf("Work/Client %d", i), Archive: i%2 == 0}, name,
			append([]string{fmt.Sprintf("Work/Client %d", i)}, []string{"INBOX"}[:i%2]...)...)
	}
	r.deliver("Nobody asked", 90)
	if rep := r.sync(); rep.Imported != 60 || rep.Listed != 60 {
		t.Fatalf("%+v", rep)
	}
	names := map[string]string{}
	for label, id := range r.double.Labels(gmailUser) {
		names[id] = label
	}
	got := map[string]int{}
	for _, m := range r.double.Messages(gmailUser) {
		var labels []string
		for _, id := range m.Labels {
			if name := names[id]; name != "" {
				id = name
			}
			labels = append(labels, id)
		}
		slices.Sort(labels)
		got[strings.Join(labels, " ")]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("arrived\n%v\nwant\n%v", got, want)
	}
	if rep := r.sync(); rep.Imported != 0 {
		t.Errorf("once more: %+v", rep)
	}
}

// flag sets a flag of Maildir on the n-th message of ann's folder.
func flag(t *testing.T, server *dovecot.Server, folder string, n int, f string) {
	t.Helper()
	paths, err := server.Files("ann", folder)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	from := paths[n]
	to := filepath.Join(filepath.Dir(filepath.Dir(from)), "cur", strings.SplitN(filepath.Base(from), ":", 2)[0]+":2,"+f)
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
