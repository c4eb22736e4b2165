package sqlite

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// wantFault wants one line with a code that names the thing.
func wantFault(t *testing.T, err error, class mail.Class, code string, names ...string) {
	t.Helper()
	f, is := mail.AsFault(err)
	if !is || f.Class != class || f.Code != code {
		t.Errorf("error = %#v (%v), want a fault of class %d, code %s", err, err, class, code)
		return
	}
	if f.Help == "" || strings.ContainsAny(f.Error(), "\n\r") {
		t.Errorf("fault = %q, want one line with a remedy", f.Error())
	}
	for _, name := range names {
		if !strings.Contains(f.Error(), name) {
			t.Errorf("fault = %q, want it to name %s", f.Error(), name)
		}
	}
}

func TestDataDirectoryHasOneProcessThatWorks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	_, err := Open(t.Context(), dir, testKeys(t, dir), Options{Exclusive: true})
	wantFault(t, err, mail.Setup, "data_in_use", dir, "process "+strconv.Itoa(os.Getpid()))
	beside := openStore(t, dir, Options{})
	u := newUser(t, beside, "somebody")
	ok(t, beside.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret("token")}))
	if g, err := s.Grant(t.Context(), u); err != nil || g.RefreshToken.RevealString() != "token" {
		t.Errorf("what a process beside has stored was not found: %v", err)
	}
	ok(t, s.Close())
	openStore(t, dir, Options{Exclusive: true})
}

// TestLockEndsWithItsProcess runs itself as the other process and kills it.
func TestLockEndsWithItsProcess(t *testing.T) {
	if dir := os.Getenv("SQLITE_TEST_HOLD"); dir != "" {
		f, err := lock(dir)
		ok(t, err)
		os.Stdout.WriteString("held\n")
		time.Sleep(time.Minute) // until killed
		f.Close()
	}
	t.Parallel()
	dir := t.TempDir()
	other := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithItsProcess$")
	other.Env = append(os.Environ(), "SQLITE_TEST_HOLD="+dir)
	out, err := other.StdoutPipe()
	ok(t, err)
	ok(t, other.Start())
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), dir, testKeys(t, dir), Options{Exclusive: true})
	wantFault(t, err, mail.Setup, "data_in_use", dir, "process "+strconv.Itoa(other.Process.Pid))
	ok(t, other.Process.Kill())
	_ = other.Wait()
	openStore(t, dir, Options{Exclusive: true})
}

func TestWrongMasterKeyIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newUser(t, openStore(t, dir, Options{}), "somebody")
	ok(t, os.Remove(filepath.Join(dir, "master.key")))
	_, err := Open(t.Context(), dir, testKeys(t, dir), Options{})
	wantFault(t, err, mail.Setup, "master_key")
}

func TestLostKeysAreNotReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	ok(t, s.Close())
	ok(t, os.RemoveAll(filepath.Join(dir, "keys")))
	_, err := Open(t.Context(), dir, testKeys(t, dir), Options{})
	wantFault(t, err, mail.Setup, "key_missing")
}

func TestDamagedFileIsSaid(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, path string){
		"overwritten": func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			ok(t, err)
			rand.Read(b)
			ok(t, os.WriteFile(path, b, 0o600))
		},
		"another's": func(t *testing.T, path string) {
			other := t.TempDir()
			s := openStore(t, other, Options{})
			ok(t, s.Close())
			b, err := os.ReadFile(filepath.Join(other, "system.db"))
			ok(t, err)
			ok(t, os.WriteFile(path, b, 0o600))
		},
		"text": func(t *testing.T, path string) {
			ok(t, os.WriteFile(path, bytes.Repeat([]byte("hello world\n"), 1000), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, dir, Options{})
			u := newUser(t, s, "somebody")
			ok(t, s.Close())
			damage(t, s.userFile(u))
			s = openStore(t, dir, Options{})
			_, err := s.Mailboxes(t.Context(), u)
			wantFault(t, err, mail.Setup, "data_corrupt", s.userFile(u))
			ok(t, s.Close())
			damage(t, filepath.Join(dir, "system.db"))
			_, err = Open(t.Context(), dir, testKeys(t, dir), Options{Exclusive: true})
			wantFault(t, err, mail.Setup, "data_corrupt", filepath.Join(dir, "system.db"))
		})
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	ok(t, s.system.conn.Exec("PRAGMA user_version = 999"))
	ok(t, s.Close())
	_, err := Open(t.Context(), dir, testKeys(t, dir), Options{})
	wantFault(t, err, mail.Setup, "schema_newer", "999", filepath.Join(dir, "system.db"))
}
