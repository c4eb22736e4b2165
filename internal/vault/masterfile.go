package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const maxMasterFile = 4 << 10

// LoadOrCreateFile reads the master keys from the file at path, in the form of
// the setting and a line break. If there is none it makes one with a fresh key:
// two processes at once end with the same. Other users must not be able to
// read the file.
func LoadOrCreateFile(path string) (*MasterKeys, error) {
	m, err := LoadFile(path)
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
	return LoadFile(path)
}

// AddToFile puts a new master key in front of those in the file at path, as the
// first step of a rotation, unless its first key is not (any more) the one with
// the id newest: of two rotations at once one makes the key. It gives the keys
// that are in the file then.
func AddToFile(path, newest string) (*MasterKeys, error) {
	unlock, err := lockFile(path)
	if err != nil {
		return nil, storageFault("reading", path, err)
	}
	defer func() { _ = unlock() }()
	m, list, err := readFile(path)
	if err != nil || m.IDs()[0] != newest {
		return m, err
	}
	line := slices.Concat(GenerateMaster().Reveal(), []byte(","), list.Reveal(), []byte("\n"))
	defer clear(line)
	if len(line) > maxMasterFile {
		return nil, masterFault(path+" has no room for another key", "take those out of it that nothing lies under any more: smtp-sync doctor names them")
	}
	temp, err := writeBeside(path, line)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(temp)
		return nil, storageFault("writing", path, err)
	}
	return LoadFile(path)
}

// LoadFile reads the master keys from the file at path, which must be there.
func LoadFile(path string) (*MasterKeys, error) {
	m, _, err := readFile(path)
	return m, err
}

// readFile gives the keys in the file, and the list as it is written there.
func readFile(path string) (m *MasterKeys, list Secret, err error) {
	list, err = readMasters(path)
	if err == nil {
		m, err = parseMasters(path, list)
	}
	return m, list, err
}

func readMasters(path string) (list Secret, err error) {
	f, err := os.Open(path)
	if err != nil {
		return list, storageFault("reading", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return list, storageFault("reading", path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return list, masterFault(path+" is not a regular file", "move it away, or set "+masterSetting)
	case info.Mode().Perm()&0o077 != 0:
		return list, &mail.Fault{
			Class: mail.Setup, Code: "master_key",
			Text: fmt.Sprintf("the master key file %s can be read by other users (mode %04o)", path, info.Mode().Perm()),
			Help: "run: chmod 600 " + path,
		}
	case info.Size() > maxMasterFile:
		return list, masterFault(path+" is too large for a list of keys", masterHelp)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxMasterFile))
	if err != nil {
		return list, storageFault("reading", path, err)
	}
	defer clear(b)
	return NewSecret(bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))), nil
}
