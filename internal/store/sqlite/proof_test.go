package sqlite

import (
	"bytes"
	"crypto/aes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/xts"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// These tests are the proof of a wipe: of copies of store and key store that
// were made before it, the one of the store is opened afterwards with the key
// store as it is now, and with every master key that there ever was.

// old is what was copied, and what must be nowhere any more.
type old struct {
	dir     string            // all of it
	records map[string][]byte // wrapped keys and sealed salts of the user, by file
}

// twoMasters opens a store whose master key was changed once; the older one is
// kept.
func twoMasters(t *testing.T, dir string) *Store {
	t.Helper()
	s := openStore(t, dir, Options{Exclusive: true})
	ok(t, s.Close())
	file := filepath.Join(dir, "master.key")
	first, err := os.ReadFile(file)
	ok(t, err)
	ok(t, os.WriteFile(file, append(append([]byte(vault.GenerateMaster().RevealString()), ','), bytes.TrimSpace(first)...), 0o600))
	moved, err := testKeys(t, dir).Rewrap(t.Context())
	if ok(t, err); moved == 0 {
		t.Fatal("no key was wrapped anew")
	}
	return openStore(t, dir, Options{Exclusive: true})
}

// copied copies a data directory, with nothing left in WALs.
func copied(t *testing.T, s *Store, dir string, u id.User) old {
	t.Helper()
	ok(t, s.system.scrub(t.Context()))
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error { return u.scrub(t.Context()) }))
	o := old{dir: copyOf(t, dir), records: map[string][]byte{}}
	ok(t, filepath.WalkDir(filepath.Join(o.dir, "keys", "users", u.String()), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			o.records[path], err = os.ReadFile(path)
		}
		return err
	}))
	return o
}

// with gives the old store with the keys in dir, and all master keys.
func (o old) with(t *testing.T, dir string) string {
	t.Helper()
	mixed := copyOf(t, o.dir)
	ok(t, os.RemoveAll(filepath.Join(mixed, "keys")))
	ok(t, os.CopyFS(filepath.Join(mixed, "keys"), os.DirFS(filepath.Join(dir, "keys"))))
	return mixed
}

// opened gives all that can be read in a directory about a user, with the keys
// and master keys in it.
func opened(t *testing.T, dir string, u id.User) string {
	t.Helper()
	shelf, err := vault.OpenDir(filepath.Join(dir, "keys"))
	ok(t, err)
	return openedWith(t, dir, testKeys(t, dir), shelf, u)
}

// openedWith does so with the keys on a shelf: what the store says, and what is
// on pages and in sealed values that some key there opens.
func openedWith(t *testing.T, dir string, keys *vault.Store, shelf vault.Shelf, u id.User) string {
	t.Helper()
	var out strings.Builder
	say := func(v any, err error) {
		if err == nil {
			text, err := json.Marshal(v)
			ok(t, err)
			out.Write(text)
		}
	}
	var users []*vault.UserKey
	for r, err := range shelf.List(t.Context()) {
		ok(t, err)
		name, ofUser := strings.CutPrefix(r.Name, "users/")
		name, isKey := strings.CutSuffix(name, "/key")
		if !ofUser || !isKey {
			continue
		}
		who, err := id.Parse[id.User](name)
		ok(t, err)
		k, err := keys.User(t.Context(), who)
		ok(t, err)
		users = append(users, k)
	}
	system, err := keys.System(t.Context())
	ok(t, err)
	pages := []vault.Secret{system.PageKey()}
	for _, k := range users {
		pages = append(pages, k.PageKey())
		if !k.FormerPageKey().Empty() {
			pages = append(pages, k.FormerPageKey())
		}
	}
	for _, file := range []string{"system.db", filepath.Join("users", u.String()+".db")} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		ok(t, err)
		for _, page := range pages {
			if text := decrypted(t, b, page); bytes.HasPrefix(text, []byte("SQLite format 3")) {
				out.Write(text)
			}
		}
	}
	s, err := Open(t.Context(), dir, keys, Options{Exclusive: true})
	ok(t, err)
	defer func() { ok(t, s.Close()) }()
	for _, k := range users {
		for column, table := range map[string]string{"client": "sessions", "name": "tokens"} {
			for i, sealed := range blobs(t, s.system, "SELECT "+column+" FROM "+table) {
				row := blobs(t, s.system, "SELECT id FROM "+table)[i]
				v, err := k.Open((&userDB{key: k}).place(table, column, row), sealed)
				say(v.RevealString(), err)
			}
		}
	}
	boxes, _ := s.Mailboxes(t.Context(), u) // none, where nothing opens
	for _, m := range boxes {
		say(m.Password.RevealString(), nil)
		_, err := s.Keys(t.Context(), u, m.ID)
		say("the ledger of "+m.ID.String(), err)
	}
	g, err := s.Grant(t.Context(), u)
	say(g.RefreshToken.RevealString(), err)
	e, err := s.Export(t.Context(), u)
	say(e, err)
	for line, err := range s.Lines(t.Context(), u, audit.Filter{}) {
		say(line, err)
	}
	return out.String()
}

func decrypted(t *testing.T, b []byte, key vault.Secret) []byte {
	t.Helper()
	c, err := xts.NewCipher(aes.NewCipher, key.Reveal())
	ok(t, err)
	out, sector := make([]byte, len(b)), 512
	for n := range len(b) / sector {
		c.Decrypt(out[n*sector:][:sector], b[n*sector:][:sector], uint64(n))
	}
	return out
}

func wantMarks(t *testing.T, what, text string, want bool, marks ...string) {
	t.Helper()
	for _, m := range marks {
		if got := strings.Contains(strings.ToLower(text), strings.ToLower(m)); got != want {
			t.Errorf("%s: that it tells %s is %t, want %t", what, m, got, want)
		}
	}
}

// wantNowhere looks for octets in every file of a directory, in use or free.
func wantNowhere(t *testing.T, s *Store, dir string, record []byte) {
	t.Helper()
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, record) {
			t.Errorf("a wrapped key is still in %s", path)
		}
		return err
	}))
	wantOutOfSystem(t, s, record)
}

func TestWipedUserIsNoiseInEveryCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := twoMasters(t, dir)
	u, _, box := fillWithMarkers(t, s)
	newMailbox(t, s, newUser(t, s, "somebody else"), "other")
	_, err := s.Jobs(t.Context())
	ok(t, err)
	before := copied(t, s, dir, u)
	if len(before.records) != 2 {
		t.Fatalf("records = %d, want the key and a salt", len(before.records))
	}
	marks := []string{"MARK-password", "MARK-token", "MARK-email", "MARK-subject", "mark.domain.example", "MARK-host",
		"MARK-username", "MARK-label", "MARK-client", "MARK-name", "MARK-locale", "the ledger of " + box.String()}
	wantMarks(t, "the copy with the keys of then", opened(t, before.with(t, before.dir), u), true, marks...)
	_, err = s.WipeUser(t.Context(), u)
	ok(t, err)
	wantMarks(t, "the copy with the keys of now", opened(t, before.with(t, dir), u), false, marks...)
	for _, record := range before.records {
		wantNowhere(t, s, dir, record)
	}
}

func TestWipedMailboxIsNoiseInEveryCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := twoMasters(t, dir)
	u, _, box := fillWithMarkers(t, s)
	other, err := s.EnsureMailbox(t.Context(), u, account.Mailbox{Protocol: "pop3", Host: "KEEP-host", Port: 995, Username: "KEEP-username", Password: secret("KEEP-password")})
	ok(t, err)
	ok(t, record(t, takeLedger(t, s, u, other.ID), newKey()))
	before := copied(t, s, dir, u)
	if len(before.records) != 3 {
		t.Fatalf("records = %d, want the key and two salts", len(before.records))
	}
	gone := []string{"MARK-password", "mark.domain.example", "MARK-host", "MARK-username", "MARK-label", "the ledger of " + box.String()}
	kept := []string{"KEEP-host", "KEEP-username", "KEEP-password", "the ledger of " + other.ID.String(), "MARK-client", "MARK-name"}
	wantMarks(t, "the copy with the keys of then", opened(t, before.with(t, before.dir), u), true, append(gone, kept...)...)
	_, err = s.WipeMailbox(t.Context(), u, box)
	ok(t, err)
	wantMarks(t, "the copy with the keys of now", opened(t, before.with(t, dir), u), false, gone...)
	now := opened(t, copyOf(t, dir), u)
	wantMarks(t, "the store of now", now, true, kept...)
	wantMarks(t, "the store of now", now, false, gone...)
	for path, record := range before.records {
		if !strings.HasSuffix(path, other.ID.String()) {
			wantNowhere(t, s, dir, record)
		}
	}
	// Whoever has the database open goes on with the new file.
	ok(t, record(t, takeLedger(t, s, u, other.ID), newKey()))
	if boxes, err := s.Mailboxes(t.Context(), u); err != nil || len(boxes) != 1 || boxes[0].ID != other.ID {
		t.Errorf("mailboxes = %d, %v, want the other one", len(boxes), err)
	}
}
