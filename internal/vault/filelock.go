package vault

import (
	"errors"
	"os"
	"syscall"
)

// lockFile waits until this process alone has the lock of the file or directory
// at path, which must be there. The kernel gives the lock back when the process
// ends, however that happens. A file system without locks is used without.
func lockFile(path string) (unlock func() error, err error) {
	for {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		for {
			if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.ENOLCK) { // NFS
			err = nil
		}
		var locked, is os.FileInfo
		if err == nil {
			locked, err = f.Stat()
		}
		if err == nil {
			is, err = os.Stat(path)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if os.SameFile(locked, is) {
			return f.Close, nil
		}
		_ = f.Close() // whoever had it has replaced the file
	}
}
