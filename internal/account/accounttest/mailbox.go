package accounttest

import (
	"errors"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func oneMaildrop(t *testing.T, s Store, _ func() Store) {
	u := ensureUser(t, s, "ann")
	base := account.Mailbox{Protocol: "pop3", Host: "pop.example.org", Port: 995, Username: "ann"}
	first := ensure(t, s, u, base).ID
	with := func(change func(*account.Mailbox)) account.Mailbox {
		m := base
		change(&m)
		return m
	}
	for name, m := range map[string]account.Mailbox{
		"STARTTLS port": with(func(m *account.Mailbox) { m.Port, m.Security = 110, "starttls" }),
		"upper case":    with(func(m *account.Mailbox) { m.Host = "POP.Example.ORG" }),
		"another name":  with(func(m *account.Mailbox) { m.Name, m.Label, m.AfterImport = "x", "y", "delete" }),
	} {
		if got := ensure(t, s, u, m).ID; got != first {
			t.Errorf("%s: another mailbox, want the same", name)
		}
	}
	seen := map[id.Mailbox]string{first: "the first"}
	for name, m := range map[string]account.Mailbox{
		"own port":      with(func(m *account.Mailbox) { m.Port = 10995 }),
		"own port 2":    with(func(m *account.Mailbox) { m.Port = 10996 }),
		"IMAP's port":   with(func(m *account.Mailbox) { m.Port = 993 }),
		"IMAP":          with(func(m *account.Mailbox) { m.Protocol, m.Port = "imap", 993 }),
		"POP3's port":   with(func(m *account.Mailbox) { m.Protocol, m.Port = "imap", 995 }),
		"other host":    with(func(m *account.Mailbox) { m.Host = "pop2.example.org" }),
		"other user":    with(func(m *account.Mailbox) { m.Username = "bob" }),
		"user's case":   with(func(m *account.Mailbox) { m.Username = "Ann" }),
		"host and user": with(func(m *account.Mailbox) { m.Host, m.Username = "pop.example.orga", "nn" }),
	} {
		got := ensure(t, s, u, m).ID
		if other, twice := seen[got]; twice {
			t.Errorf("%s: is the same mailbox as %s", name, other)
		}
		seen[got] = name
	}
	if got := len(mailboxes(t, s, u)); got != len(seen) {
		t.Errorf("mailboxes = %d, want %d", got, len(seen))
	}
}

func kept(t *testing.T, s Store, _ func() Store) {
	u := ensureUser(t, s, "ann")
	want := ensure(t, s, u, imap())
	changed := imap()
	changed.Name, changed.Port, changed.AfterImport, changed.Password = "x", 143, "delete", vault.NewSecret("other")
	wantSame(t, ensure(t, s, u, changed), want)
	wantSame(t, mailboxes(t, s, u)[0], want)
}

func roundTrips(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	made := imap()
	made.Host = "IMAP.example.org"
	got := ensure(t, s, u, made)
	wantSame(t, got, imap())
	if got.ID == (id.Mailbox{}) || got.Created.IsZero() {
		t.Error("the mailbox has no id or no age")
	}
	ensure(t, s, u, account.Mailbox{Protocol: "pop3", Host: "a", Port: 995})
	boxes := mailboxes(t, reopen(), u)
	if len(boxes) != 2 || boxes[0].ID != got.ID {
		t.Fatalf("mailboxes after a restart = %d, want both, the first made first", len(boxes))
	}
	wantSame(t, boxes[0], imap())
}

func changed(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	want := ensure(t, s, u, imap())
	other := ensure(t, s, u, account.Mailbox{Protocol: "pop3", Host: "a", Port: 995})
	want.Name, want.Port, want.Security, want.Label, want.Archive, want.AfterImport = "Home", 143, "starttls", "Old", false, "leave"
	want.Folders, want.Password = []account.Folder{{Name: "Sent"}}, vault.NewSecret("correct horse")
	want.History, want.Since, want.NewestFirst, want.PollEvery = "new", time.Time{}, false, 0
	given := want
	given.Host, given.Created = "IMAP.example.org", time.Time{}
	ok(t, s.UpdateMailbox(t.Context(), u, given))
	given.Password, given.Name, want.Name = vault.Secret{}, "Club", "Club"
	ok(t, s.UpdateMailbox(t.Context(), u, given))
	s = reopen()
	got, err := s.Mailbox(t.Context(), u, want.ID)
	ok(t, err)
	wantSame(t, got, want)
	wantSame(t, mailboxes(t, s, u)[0], want)
	wantSame(t, mailboxes(t, s, u)[1], other)
}

func staysMaildrop(t *testing.T, s Store, _ func() Store) {
	u := ensureUser(t, s, "ann")
	box := ensure(t, s, u, imap())
	for name, change := range map[string]func(*account.Mailbox){
		"protocol": func(m *account.Mailbox) { m.Protocol = "pop3" },
		"host":     func(m *account.Mailbox) { m.Host = "imap2.example.org" },
		"port":     func(m *account.Mailbox) { m.Port = 10993 },
		"username": func(m *account.Mailbox) { m.Username = "bob" },
	} {
		m := box
		change(&m)
		m.Name = "changed"
		if err := s.UpdateMailbox(t.Context(), u, m); !errors.Is(err, account.ErrIdentity) {
			t.Errorf("another %s: error = %v, want %v", name, err, account.ErrIdentity)
		}
	}
	wantSame(t, mailboxes(t, s, u)[0], box)
}

func noPassword(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	m := imap()
	m.Password = vault.Secret{}
	first := ensure(t, s, u, m)
	if !first.Password.Empty() || !mailboxes(t, reopen(), u)[0].Password.Empty() {
		t.Error("a password came from nowhere")
	}
}

func wipedMailbox(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	box, other := ensure(t, s, u, imap()), ensure(t, s, u, account.Mailbox{Protocol: "pop3", Host: "a", Port: 995})
	w, err := s.WipeMailbox(t.Context(), u, box.ID)
	ok(t, err)
	if w.Rows["mailboxes"] != 1 || !w.KeyDestroyed || w.At.IsZero() {
		t.Errorf("receipt = %+v, want one mailbox and a destroyed key", w)
	}
	_, err = s.WipeMailbox(t.Context(), u, box.ID)
	wantNone(t, err)
	_, err = s.Mailbox(t.Context(), u, box.ID)
	wantNone(t, err)
	wantNone(t, s.UpdateMailbox(t.Context(), u, box))
	s = reopen()
	if boxes := mailboxes(t, s, u); len(boxes) != 1 || boxes[0].ID != other.ID {
		t.Errorf("mailboxes left = %d, want the other one", len(boxes))
	}
	if ensure(t, s, u, imap()).ID == box.ID {
		t.Error("the mailbox came back")
	}
}
