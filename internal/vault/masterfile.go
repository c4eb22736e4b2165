package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const maxMasterFile = 4 << 10

// LoadOrCreateFile reads the master keys from the file at path, in the form of
// the setting and a line break. If there is none it makes one with a fresh key:
// two processes at once end with the same. Other users must not be able to
// read the file.
func LoadOrCreateFile(path string) (*MasterKeys, error) {
	m, err := loadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, storageFault("making", filepath.Dir(path), err)
	}
	line := append(GenerateMaster().Reveal(), '\n')
	defer clear(line)
	if err := createFile(path, line); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, storageFault("writing", path, err)
	}
	return loadFile(path)
}

func loadFile(path string) (*MasterKeys, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, storageFault("reading", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, storageFault("reading", path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, masterFault(path+" is not a regular file", "move it away, or set "+masterSetting)
	case info.Mode().Perm()&0o077 != 0:
		return nil, &mail.Fault{
			Class: mail.Setup, Code: "master_key",
			Text: fmt.Sprintf("the master key file %s can be read by other users (mode %04o)", path, info.Mode().Perm()),
			Help: "run: chmod 600 " + path,
		}
	case info.Size() > maxMasterFile:
		return nil, masterFault(path+" is too large for a list of keys", masterHelp)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxMasterFile))
	if err != nil {
		return nil, storageFault("reading", path, err)
	}
	defer clear(b)
	return parseMasters(path, NewSecret(bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))))
}
