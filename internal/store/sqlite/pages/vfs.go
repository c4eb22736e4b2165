package pages

import (
	"strings"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

const (
	vfsName  = "smtpsync"
	keyParam = "smtpsync_key"
)

func init() { vfs.Register(vfsName, encrypting{vfs.Find("")}) }

type encrypting struct{ vfs.VFS }

// Open is not used by SQLite where OpenFilename exists.
func (e encrypting) Open(string, vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return nil, 0, sqlite3.CANTOPEN
}

// OpenFilename opens a database with the key named in its URI, and the files
// beside a database with that database's key.
func (e encrypting) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f := &file{}
	switch main, ok := vfsutil.UnwrapFile[*file](name.DatabaseFile()); {
	case ok:
		f.cipher = main.cipher
		if flags&vfs.OPEN_WAL != 0 {
			f.db = main
		}
	case name == nil:
		f.cipher = passing()
	default:
		f.cipher = lookUp(name.URIParameters())
	}
	if f.cipher == nil {
		return nil, flags, sqlite3.IOERR_BADKEY
	}
	below, flags, err := vfsutil.WrapOpenFilename(e.VFS, name, flags)
	f.File = below
	return f, flags, err
}

// What SQLite asks beyond reading and writing is answered by the file below.

func (f *file) Unwrap() vfs.File                { return f.File }
func (f *file) SharedMemory() vfs.SharedMemory  { return vfsutil.WrapSharedMemory(f.File) }
func (f *file) LockState() vfs.LockLevel        { return vfsutil.WrapLockState(f.File) }
func (f *file) PersistWAL() bool                { return vfsutil.WrapPersistWAL(f.File) }
func (f *file) SetPersistWAL(keep bool)         { vfsutil.WrapSetPersistWAL(f.File, keep) }
func (f *file) HasMoved() (bool, error)         { return vfsutil.WrapHasMoved(f.File) }
func (f *file) BusyHandler(handler func() bool) { vfsutil.WrapBusyHandler(f.File, handler) }
func (f *file) SyncSuper(super string) error    { return vfsutil.WrapSyncSuper(f.File, super) }
func (f *file) CheckpointStart()                { vfsutil.WrapCheckpointStart(f.File) }
func (f *file) CheckpointDone()                 { vfsutil.WrapCheckpointDone(f.File) }
func (f *file) Pragma(name, value string) (string, error) {
	if value != "" && strings.EqualFold(name, "cache_spill") {
		f.whole = strings.EqualFold(value, "off")
	}
	return vfsutil.WrapPragma(f.File, name, value)
}

// SectorSize is at least that of the encryption.
func (f *file) SectorSize() int { return max(f.File.SectorSize(), sector) }

// DeviceCharacteristics leaves out the promises that encryption breaks.
//
// POWERSAFE_OVERWRITE stays: it says that a write which a power cut interrupts
// ruins nothing beside it. To change an octet is to rewrite its block of 16,
// and a device writes a sector of 512, which holds that block, whole or not at
// all. Without it SQLite would pad each commit in the WAL with another page.
func (f *file) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return f.File.DeviceCharacteristics() & (vfs.IOCAP_ATOMIC512 | vfs.IOCAP_POWERSAFE_OVERWRITE |
		vfs.IOCAP_SEQUENTIAL | vfs.IOCAP_SUBPAGE_READ | vfs.IOCAP_UNDELETABLE_WHEN_OPEN)
}
