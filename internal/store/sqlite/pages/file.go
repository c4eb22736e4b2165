package pages

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

const (
	sector = 512       // the smallest page of SQLite: any page is whole sectors
	gather = 256 << 10 // of WAL, then it is written before the commit

	// A frame of the WAL is this and a page; octets 4 to 7 are zero unless it is
	// the last of a commit (sqlite.org/fileformat2.html section 4.1).
	frameHeader = 24
)

// file encrypts one file. SQLite uses it from one goroutine at a time.
type file struct {
	vfs.File
	cipher *sectors
	db     *file // of a WAL: the database it belongs to
	// whole, of a database: its connection has said PRAGMA cache_spill = OFF, and
	// so appends to the WAL nothing but whole commits. Else it may append a page,
	// roll back, and let another connection write over it, and neither the page
	// nor the WAL's lock tells us: what is pending would be written over a commit
	// of the other.
	whole bool
	// pending are octets of the WAL not written yet, from offset start on, after a
	// gap of as many as lie between start and its sector's. They are cleartext.
	pending *[]byte
	start   int64
	commit  bool // the last header written was that of a commit's last frame
}

// buffers holds sector-aligned scratch space, and what is pending of a WAL.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

func buffer(n int) *[]byte {
	b := buffers.Get().(*[]byte)
	*b = slices.Grow((*b)[:0], n)[:n]
	return b
}

// release gives a buffer back, cleared.
func release(b *[]byte) {
	clear(*b)
	buffers.Put(b)
}

func down(i int64) int64 { return i &^ (sector - 1) }
func up(i int64) int64   { return (i + sector - 1) &^ (sector - 1) }

// ReadAt reads the sectors that hold p at once.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	from, to := down(off), up(off+int64(len(p)))
	if from == off && to-from == int64(len(p)) {
		return f.readSectors(p, off)
	}
	b := buffer(int(to - from))
	defer release(b)
	got, err := f.readSectors(*b, from)
	n := copy(p, (*b)[min(got, int(off-from)):got])
	if n == len(p) {
		return n, nil
	}
	if err == nil {
		err = io.EOF
	}
	return n, err
}

// readSectors reads whole sectors into p and decrypts them in place. What is
// left of a sector that was torn off at the end of the file counts as absent.
func (f *file) readSectors(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	n = int(down(int64(n)))
	f.cipher.decrypt(p[:n], uint64(off)/sector)
	return n, err
}

// WriteAt writes p at once, or keeps it until flush if it continues the WAL.
// With a commit's last frame all of it is written: others may read it from
// then on, and must find it after a crash of this process even where nobody
// asks for a sync.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	gathering := f.db != nil && f.db.whole
	if f.pending != nil && (!gathering || f.start+f.held() != off || len(*f.pending)+len(p) > gather) {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	if f.pending == nil {
		f.pending, f.start = buffer(int(off-down(off))), off
	}
	*f.pending = append(*f.pending, p...)
	switch {
	case !gathering || f.commit && len(p) != frameHeader:
		f.commit = false
		return len(p), f.flush()
	case len(p) == frameHeader:
		f.commit = binary.BigEndian.Uint32(p[4:]) != 0
	}
	return len(p), nil
}

// held is how many octets are pending.
func (f *file) held() int64 { return int64(len(*f.pending)) - (f.start - down(f.start)) }

// flush encrypts what is pending and writes the sectors that hold it with one
// call. If that fails it is forgotten: SQLite, told so, rolls back the
// transaction whose frames these were.
func (f *file) flush() error {
	if f.pending == nil {
		return nil
	}
	b, from, end := f.pending, down(f.start), f.start+f.held()
	f.pending = nil
	*b = slices.Grow(*b, sector)[:up(end)-from]
	if err := f.surround(*b, f.start, end); err != nil {
		release(b)
		return err
	}
	f.cipher.encrypt(*b, uint64(from)/sector)
	defer buffers.Put(b) // no cleartext is left in it
	_, err := f.File.WriteAt(*b, from)
	return told(err)
}

// surround puts what the file has around the octets from start to end, in the
// sector of the first and that of the last, into the sectors b around them.
func (f *file) surround(b []byte, start, end int64) error {
	s := buffer(sector)
	defer release(s)
	if gap := start - down(start); gap > 0 {
		if err := f.around(*s, down(start)); err != nil {
			return err
		}
		copy(b[:gap], *s)
	}
	if gap := up(end) - end; gap > 0 {
		if err := f.around(*s, down(end)); err != nil {
			return err
		}
		copy(b[int64(len(b))-gap:], (*s)[sector-gap:])
	}
	return nil
}

// told gives SQLite the code for what the system said. It keeps codes until it
// has rolled back, and the system's own error only until the next call.
func told(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return vfs.SystemError(err, sqlite3.FULL)
	case errors.Is(err, syscall.EROFS):
		return vfs.SystemError(err, sqlite3.READONLY)
	}
	return err
}

// around reads one sector to be written again. Beyond the end of the file, or
// where a sector was torn off there, it is zeros.
func (f *file) around(s []byte, off int64) error {
	n, err := f.readSectors(s, off)
	if n == sector {
		return nil
	}
	if err != io.EOF {
		return err
	}
	clear(s)
	return nil
}

func (f *file) Sync(flags vfs.SyncFlag) error {
	if err := f.flush(); err != nil {
		return err
	}
	return told(f.File.Sync(flags))
}

func (f *file) Size() (int64, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.Size()
}

func (f *file) Truncate(size int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Truncate(up(size))
}

func (f *file) Close() error {
	err := f.flush()
	if e := f.File.Close(); err == nil {
		err = e
	}
	return err
}
