package vault_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
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

func TestAFullDiskIsSaidInOneLineAndLosesNothing(t *testing.T) {
	t.Parallel()
	onDisk(t, "size=64k", func(dir string) {
		d, err := vault.OpenDir(filepath.Join(dir, "keys"))
		if err != nil {
			t.Error(err)
			return
		}
		s := vault.NewStore(d, masters(t, key1))
		if _, err := s.EnsureSystem(t.Context()); err != nil {
			t.Error(err)
			return
		}
		_ = os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600)

		_, err = vault.LoadOrCreateFile(filepath.Join(dir, "master.key"))
		wantFault(t, err, "disk_full", "master.key", "disk is full", "free some space")
		_, err = s.CreateUser(t.Context(), userA)
		wantFault(t, err, "disk_full", "disk is full")
		_, err = vault.NewStore(d, masters(t, key2+","+key1)).Rewrap(t.Context())
		wantFault(t, err, "disk_full", "disk is full")
		if _, err := s.System(t.Context()); err != nil {
			t.Errorf("a rotation on a full disk lost a key: %v", err)
		}
		for _, name := range files(t, dir) {
			if filepath.Ext(name) == ".tmp" || filepath.Base(name) == "master.key" {
				t.Errorf("%s is left over", name)
			}
		}
		must(t, os.Remove(filepath.Join(dir, "ballast")))
		if _, err := s.CreateUser(t.Context(), userA); err != nil {
			t.Errorf("with space again: %v", err)
		}
	})
}

func TestAReadOnlyDataDirectoryIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	onDisk(t, "size=64k,ro", func(dir string) {
		_, err := vault.LoadOrCreateFile(filepath.Join(dir, "master.key"))
		wantFault(t, err, "read_only", "master.key", "read-only", "mount it writable")
		_, err = vault.OpenDir(filepath.Join(dir, "keys"))
		wantFault(t, err, "read_only", "keys", "read-only")
	})
}

func TestADirectoryOfSomebodyElseIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	must(t, os.Mkdir(dir, 0o500))
	must(t, os.Chmod(parent, 0o755))
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Getuid() == 0 { // root may write anywhere: be nobody, on this thread alone
			if _, err := unix.SetfsuidRetUid(65534); err != nil {
				t.Error(err)
				return
			}
		}
		d, err := vault.OpenDir(filepath.Join(dir, "keys"))
		if err == nil {
			_, err = vault.NewStore(d, masters(t, key1)).CreateUser(t.Context(), id.New[id.User]())
		}
		wantFault(t, err, "read_only", "permission denied", "give "+dir)
	}()
	<-done
}
