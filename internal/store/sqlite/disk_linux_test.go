package sqlite

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// onDisk runs check with a small file system of its own, which only the
// calling thread sees; that thread ends with the test. It needs root.
func onDisk(t *testing.T, options string, check func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	done := make(chan string)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread must not be used again
		why := ""
		defer func() { done <- why }()
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			why = "unshare: " + err.Error()
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			why = "make mounts private: " + err.Error()
			return
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
			why = "mount: " + err.Error()
			return
		}
		defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
		check(dir)
	}()
	if why := <-done; why != "" {
		t.Skipf("no file system to fill on this machine: %s", why)
	}
}

func record(t *testing.T, l *Ledger, k ledger.Key) error {
	return l.Record(t.Context(), k, ledger.Outcome{Status: mail.Imported, Domain: "example.org"})
}

func TestFullDiskIsSaidAndOutlived(t *testing.T) {
	t.Parallel()
	onDisk(t, "size=4m", func(dir string) {
		s, err := Open(t.Context(), dir, testKeys(t, dir), Options{Exclusive: true})
		if err != nil {
			t.Error(err)
			return
		}
		u := newUser(t, s, "somebody")
		l := takeLedger(t, s, u, newMailbox(t, s, u, "box"))
		ballast := filepath.Join(dir, "ballast")
		_ = os.WriteFile(ballast, make([]byte, 8<<20), 0o600) // as much as fits

		done := 0
		for err = error(nil); err == nil; done++ {
			err = record(t, l, newKey())
		}
		done--
		wantFault(t, err, mail.Transient, "disk_full", dir)
		if err := record(t, l, newKey()); err == nil {
			t.Error("recorded on a full disk")
		}
		if entries, err := l.Entries(t.Context()); err != nil || len(entries) != done {
			t.Errorf("entries on a full disk = %d (%v), want the %d that were answered", len(entries), err, done)
		}
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
		for range 10 {
			if err := record(t, l, newKey()); err != nil {
				t.Errorf("with space again: %v", err)
			}
		}
		if entries, err := l.Entries(t.Context()); err != nil || len(entries) != done+10 {
			t.Errorf("entries = %d (%v), want %d", len(entries), err, done+10)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReadOnlyDirectoryIsSaid(t *testing.T) {
	t.Parallel()
	onDisk(t, "size=4m", func(dir string) {
		remount := func(flags uintptr) {
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
				t.Error(err)
			}
		}
		s, err := Open(t.Context(), dir, testKeys(t, dir), Options{Exclusive: true})
		if err != nil {
			t.Error(err)
			return
		}
		newUser(t, s, "somebody")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		keys := testKeys(t, dir)
		remount(unix.MS_RDONLY)
		_, err = Open(t.Context(), dir, keys, Options{Exclusive: true})
		wantFault(t, err, mail.Setup, "data_read_only", dir)
		remount(0)
		if s, err = Open(t.Context(), dir, keys, Options{Exclusive: true}); err != nil {
			t.Error(err)
			return
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
