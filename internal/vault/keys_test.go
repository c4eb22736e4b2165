package vault_test

import (
	"bytes"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func testKeys(salt byte) *vault.MailboxKeys {
	return vault.NewUserKey(userA, root1()).MailboxKeys(vault.NewSecret(bytes.Repeat([]byte{salt}, 32)))
}

const header = "Received: from a.example by b.example; Tue, 24 Nov 2026 10:00:00 +0000\r\n" +
	"Received: from c.example by a.example; Tue, 24 Nov 2026 09:59:59 +0000\r\n" +
	"Message-ID: <1@a.example>\r\n" +
	"Date: Tue, 24 Nov 2026 09:59:58 +0000\r\n" +
	"From: Ann <ann@a.example>\r\n" +
	"To: bob@b.example\r\n" +
	"Subject: one two three\r\n\r\n"

func content(k *vault.MailboxKeys, h string) mail.Key { return k.Content(mail.ParseHeader([]byte(h))) }

func TestEverySpellingOfAHeaderHasOneContentKey(t *testing.T) {
	t.Parallel()
	k := testKeys(1)
	want := content(k, header)
	for name, spelling := range map[string]string{
		"folded":         strings.Replace(header, "one two", "one\r\n two", 1),
		"folded, tab":    strings.Replace(header, "one two", "one\r\n\ttwo", 1),
		"wider":          strings.Replace(header, "one two", "one  \t two", 1),
		"trailing space": strings.Replace(header, "three\r\n", "three \r\n", 1),
		"no space":       strings.ReplaceAll(header, ": ", ":"),
		"bare LF":        strings.ReplaceAll(header, "\r\n", "\n"),
		"name's case":    strings.Replace(header, "Message-ID", "MESSAGE-Id", 1),
		"another To":     strings.Replace(header, "bob@", "carol@", 1),
		"status added":   "Status: RO\r\nX-UID: 7\r\n" + header,
		"no end":         strings.TrimSuffix(header, "\r\n"),
		"with body":      header + "Subject: in the body\r\n",
	} {
		if got := content(k, spelling); got != want {
			t.Errorf("%s: content key = %x, want %x", name, got, want)
		}
	}
}

func TestDifferentMessagesHaveDifferentContentKeys(t *testing.T) {
	t.Parallel()
	k := testKeys(1)
	seen := map[mail.Key]string{}
	for name, h := range map[string]string{
		"as it is":        header,
		"Message-ID":      strings.Replace(header, "<1@", "<2@", 1),
		"Date":            strings.Replace(header, "09:59:58", "09:59:57", 1),
		"From":            strings.Replace(header, "ann@", "eve@", 1),
		"first Received":  strings.Replace(header, "10:00:00", "10:00:01", 1),
		"Subject":         strings.Replace(header, "three", "four", 1),
		"Subject's case":  strings.Replace(header, "one", "One", 1),
		"no space inside": strings.Replace(header, "one two", "onetwo", 1),
		"no Subject":      strings.Replace(header, "Subject: one two three\r\n", "", 1),
		"no header":       "\r\n",
		// A value must not be able to pass for another field's.
		"ends of fields 1": "Message-ID: ab\r\nDate: c\r\n\r\n",
		"ends of fields 2": "Message-ID: a\r\nDate: bc\r\n\r\n",
		"which field 1":    "Message-ID: a\r\n\r\n",
		"which field 2":    "Date: a\r\n\r\n",
	} {
		key := content(k, h)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have one content key", name, other)
		}
		seen[key] = name
	}
}

func TestKeysOfDifferentPurposesAndMailboxesNeverMeet(t *testing.T) {
	t.Parallel()
	seen := map[mail.Key]string{}
	add := func(name string, key mail.Key) {
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have one key", name, other)
		}
		seen[key] = name
	}
	var same mail.Key // what looks alike to all purposes
	for _, salt := range []byte{1, 2} {
		k := testKeys(salt)
		box := string('a' + rune(salt))
		add(box+" id uidl", k.ID(mail.Ref{UIDL: string(same[:])}))
		add(box+" id uidl 2", k.ID(mail.Ref{UIDL: "x"}))
		add(box+" id imap", k.ID(mail.Ref{Folder: "INBOX", Validity: 1, UID: 2}))
		add(box+" id imap folder", k.ID(mail.Ref{Folder: "INBOX/a", Validity: 1, UID: 2}))
		add(box+" id imap validity", k.ID(mail.Ref{Folder: "INBOX", Validity: 2, UID: 2}))
		add(box+" id imap uid", k.ID(mail.Ref{Folder: "INBOX", Validity: 1, UID: 3}))
		add(box+" occurrence 0", k.Occurrence(same, 0))
		add(box+" occurrence 1", k.Occurrence(same, 1))
		add(box+" occurrence of other", k.Occurrence(mail.Key{1}, 0))
		add(box+" content", content(k, "\r\n"))
		s := k.Stream()
		add(box+" stream", mail.Key(s.Sum(nil)[:16]))
		_, _ = s.Write(make([]byte, 20)) // what Content hashes of an empty header
		add(box+" stream of zeros", mail.Key(s.Sum(nil)[:16]))
	}
	a := vault.NewUserKey(userA, root1()).MailboxKeys(vault.NewSecret(bytes.Repeat([]byte{1}, 32)))
	b := vault.NewUserKey(userA, vault.NewSecret(bytes.Repeat([]byte{9}, 32))).MailboxKeys(vault.NewSecret(bytes.Repeat([]byte{1}, 32)))
	if a.ID(mail.Ref{UIDL: "x"}) == b.ID(mail.Ref{UIDL: "x"}) {
		t.Error("two users' keys give the same id key")
	}
}

func TestKeysOfAMailboxNeverChange(t *testing.T) {
	t.Parallel()
	k := testKeys(1)
	stream := k.Stream()
	_, _ = stream.Write([]byte("octets"))
	for name, c := range map[string]struct {
		got  mail.Key
		want string
	}{
		"id, pop3":   {k.ID(mail.Ref{UIDL: "whqtswO00WBw418f9t5JxYwZ"}), goldenPOP3},
		"id, imap":   {k.ID(mail.Ref{Folder: "INBOX", Validity: 7, UID: 42}), goldenIMAP},
		"content":    {content(k, header), goldenContent},
		"occurrence": {k.Occurrence(content(k, header), 1), goldenOccurrence},
		"stream":     {mail.Key(stream.Sum(nil)[:16]), goldenStream},
	} {
		if got := hex.EncodeToString(c.got[:]); got != c.want {
			t.Errorf("%s = %s, want %s", name, got, c.want)
		}
	}
}

func TestStreamIsARunningHashThatCanBeCloned(t *testing.T) {
	t.Parallel()
	k := testKeys(1)
	a, b := k.Stream(), k.Stream()
	_, _ = a.Write([]byte("first "))
	c, err := a.(hash.Cloner).Clone()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = a.Write([]byte("then this"))
	_, _ = c.Write([]byte("then that"))
	_, _ = b.Write([]byte("first then that"))
	if !bytes.Equal(b.Sum(nil), c.Sum(nil)) || bytes.Equal(a.Sum(nil), c.Sum(nil)) {
		t.Error("a clone does not go its own way from where it was made")
	}
}

func TestKeysAreTheSameForManyAtOnceAndAfterLongHeaders(t *testing.T) {
	t.Parallel()
	k := testKeys(1)
	long := strings.Replace(header, "one", strings.Repeat("very long ", 20_000), 1)
	want, wantLong := content(k, header), content(k, long)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if content(k, header) != want || content(k, long) != wantLong {
					t.Error("a content key changed under concurrent use")
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkID(b *testing.B) {
	k := testKeys(1)
	ref := mail.Ref{UIDL: "whqtswO00WBw418f9t5JxYwZ"}
	b.ReportAllocs()
	for b.Loop() {
		k.ID(ref)
	}
}

func BenchmarkContent(b *testing.B) {
	k := testKeys(1)
	h := mail.ParseHeader([]byte(header))
	b.ReportAllocs()
	for b.Loop() {
		k.Content(h)
	}
}

func BenchmarkMailboxKeys(b *testing.B) {
	u, salt := vault.NewUserKey(userA, root1()), vault.NewSecret(bytes.Repeat([]byte{1}, 32))
	b.ReportAllocs()
	for b.Loop() {
		u.MailboxKeys(salt)
	}
}

func TestAnIDKeyTellsFolderAndUIDVALIDITY(t *testing.T) {
	t.Parallel()
	k := testKeys(1)
	id := func(folder string, validity, uid uint32) mail.Key {
		return k.ID(mail.Ref{Folder: folder, Validity: validity, UID: uid})
	}
	a, b := id("INBOX", 1, 1), id("INBOX", 1, 2)
	if a == b || [6]byte(a[:6]) != [6]byte(b[:6]) {
		t.Error("two messages of one folder must share six octets, and no more")
	}
	if c := id("INBOX", 2, 1); [4]byte(a[:4]) != [4]byte(c[:4]) || [6]byte(a[:6]) == [6]byte(c[:6]) {
		t.Error("a folder that was renumbered must share four octets, not six")
	}
	if d := id("Old", 1, 1); [4]byte(a[:4]) == [4]byte(d[:4]) {
		t.Error("two folders must not share their tag")
	}
	pop := k.ID(mail.Ref{UIDL: "x"})
	if o := k.Occurrence(a, 0); [6]byte(pop[:6]) != [6]byte(o[:6]) {
		t.Error("a message without id must look like one of the maildrop's")
	}
	if e := testKeys(2).ID(mail.Ref{Folder: "INBOX", Validity: 1, UID: 1}); [4]byte(a[:4]) == [4]byte(e[:4]) {
		t.Error("the tag of a folder must differ between mailboxes")
	}
}
