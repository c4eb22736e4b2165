package pages

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
	_ "github.com/ncruces/go-sqlite3/vfs/xts"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey() []byte {
	k := make([]byte, KeySize)
	rand.Read(k)
	return k
}

func open(t *testing.T, path string, key []byte) *sqlite3.Conn {
	t.Helper()
	params, forget, err := Key(key)
	ok(t, err)
	t.Cleanup(forget)
	c, err := sqlite3.Open("file:" + path + "?" + params)
	ok(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

const marker = "PLAINTEXT-MARKER-0123456789"

const seed = `
	PRAGMA journal_mode = WAL;
	CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
	INSERT INTO t (b) SELECT '` + marker + `' || i FROM n;`

func count(t *testing.T, c *sqlite3.Conn) (n int) {
	t.Helper()
	s, _, err := c.Prepare(`SELECT count(*) FROM t WHERE b LIKE '` + marker + `%'`)
	ok(t, err)
	defer s.Close()
	for s.Step() {
		n = s.ColumnInt(0)
	}
	ok(t, s.Err())
	return n
}

func TestNothingIsOnDiskInTheClear(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, filepath.Join(dir, "x.db"), newKey())
	ok(t, c.Exec(seed))
	for _, step := range []string{"in the WAL", "in the database"} {
		files, err := os.ReadDir(dir)
		ok(t, err)
		for _, f := range files {
			b, err := os.ReadFile(filepath.Join(dir, f.Name()))
			ok(t, err)
			if bytes.Contains(b, []byte(marker)) || bytes.Contains(b, []byte("SQLite format 3")) {
				t.Errorf("%s: %s holds cleartext", step, f.Name())
			}
		}
		_, _, err = c.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
		ok(t, err)
	}
	if got := count(t, c); got != 500 {
		t.Errorf("rows = %d, want 500", got)
	}
}

// TestCommitIsSeenByOthers also where nobody asked for a sync.
func TestCommitIsSeenByOthers(t *testing.T) {
	t.Parallel()
	for _, synchronous := range []string{"OFF", "NORMAL", "FULL"} {
		path, key := filepath.Join(t.TempDir(), "x.db"), newKey()
		writer, reader := open(t, path, key), open(t, path, key)
		ok(t, writer.Exec("PRAGMA synchronous = "+synchronous+";"+seed))
		if got := count(t, reader); got != 500 {
			t.Errorf("%s: rows = %d, want 500", synchronous, got)
		}
		ok(t, writer.Exec(`BEGIN; INSERT INTO t (b) SELECT b FROM t; ROLLBACK; DELETE FROM t WHERE a > 300`))
		if got := count(t, reader); got != 300 {
			t.Errorf("%s: rows = %d, want 300", synchronous, got)
		}
	}
}

// TestNothingOfARollbackIsWrittenLater: a transaction larger than the cache
// appends to the WAL before it ends. If it is rolled back another connection
// commits in its place, and nothing may be written over that.
func TestNothingOfARollbackIsWrittenLater(t *testing.T) {
	t.Parallel()
	for _, spill := range []string{"ON", "OFF", "20"} {
		path, key := filepath.Join(t.TempDir(), "x.db"), newKey()
		ours, other := open(t, path, key), open(t, path, key)
		ok(t, ours.Exec(`PRAGMA cache_size = 10; PRAGMA cache_spill = `+spill+`;`+seed+`
			CREATE TABLE big (x);
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
			INSERT INTO big SELECT randomblob(400) FROM n;
			PRAGMA wal_checkpoint(TRUNCATE);`))
		ok(t, other.Exec(`CREATE TABLE other (x)`))
		ok(t, ours.Exec(`BEGIN IMMEDIATE; UPDATE big SET x = randomblob(400); ROLLBACK`))
		ok(t, other.Exec(`INSERT INTO t (b) SELECT b FROM t LIMIT 100`))
		for _, c := range []*sqlite3.Conn{ours, open(t, path, key)} {
			if got := count(t, c); got != 600 {
				t.Errorf("cache_spill %s: rows = %d, want the 600 committed", spill, got)
			}
			ok(t, c.Exec(`PRAGMA cache_size = 1`)) // what follows is read from the files
			if got := text(t, c, `PRAGMA integrity_check`); got != "ok" {
				t.Errorf("cache_spill %s: integrity_check = %s", spill, got)
			}
		}
	}
}

func text(t *testing.T, c *sqlite3.Conn, query string) (s string) {
	t.Helper()
	q, _, err := c.Prepare(query)
	ok(t, err)
	defer q.Close()
	if q.Step() {
		s = q.ColumnText(0)
	}
	ok(t, q.Err())
	return s
}

// TestPragmaDecidesOnGathering: only what SQLite itself takes for OFF counts.
func TestPragmaDecidesOnGathering(t *testing.T) {
	t.Parallel()
	f := &file{File: &counter{}}
	for _, step := range []struct {
		value string
		whole bool
	}{{"OFF", true}, {"", true}, {"ON", false}, {"off", true}, {"100", false}} {
		_, _ = f.Pragma("cache_spill", step.value)
		_, _ = f.Pragma("cache_size", "OFF")
		if f.whole != step.whole {
			t.Errorf("after %q: gathers = %v, want %v", step.value, f.whole, step.whole)
		}
	}
}

func TestFormatIsThatOfXTS(t *testing.T) {
	t.Parallel()
	path, key := filepath.Join(t.TempDir(), "x.db"), newKey()
	ours := open(t, path, key)
	ok(t, ours.Exec(seed))
	// The other implementation reads database and WAL beside us, and we what it writes.
	theirs, err := sqlite3.Open("file:" + path + "?vfs=xts&hexkey=" + hex.EncodeToString(key))
	ok(t, err)
	defer theirs.Close()
	if got := count(t, theirs); got != 500 {
		t.Errorf("rows read by vfs/xts = %d, want 500", got)
	}
	ok(t, theirs.Exec(`INSERT INTO t (b) SELECT b FROM t; PRAGMA wal_checkpoint(TRUNCATE)`))
	if got := count(t, ours); got != 1000 {
		t.Errorf("rows written by vfs/xts = %d, want 1000", got)
	}
}

func TestWrongKeyReadsNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	c := open(t, path, newKey())
	ok(t, c.Exec(seed))
	ok(t, c.Close())
	if err := open(t, path, newKey()).Exec(`SELECT * FROM t`); !errors.Is(err, sqlite3.NOTADB) {
		t.Errorf("error = %v, want %v", err, sqlite3.NOTADB)
	}
}

func TestKeyMustBeKnown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	params, forget, err := Key(newKey())
	ok(t, err)
	forget()
	for _, p := range []string{params, "vfs=" + vfsName, "vfs=" + vfsName + "&" + keyParam + "=x"} {
		if c, err := sqlite3.Open("file:" + path + "?" + p); err == nil {
			c.Close()
			t.Errorf("opened with %q, want an error", p)
		}
	}
	if _, _, err := Key(make([]byte, 32)); err == nil {
		t.Error("a key of 32 octets was taken")
	}
}

// TestFileKeepsWhatIsWritten compares an encrypted file with a slice, under
// random reads and writes that keep to no sector.
func TestFileKeepsWhatIsWritten(t *testing.T) {
	t.Parallel()
	seed := [2]uint64{mathrand.Uint64(), mathrand.Uint64()}
	for _, wal := range []bool{false, true} {
		r := mathrand.New(mathrand.NewPCG(seed[0], seed[1]))
		below, err := os.OpenFile(filepath.Join(t.TempDir(), "f"), os.O_RDWR|os.O_CREATE, 0o600)
		ok(t, err)
		defer below.Close()
		f := &file{File: plain{below}, cipher: passing(), db: &file{whole: wal}}
		var want []byte
		for step := range 3000 {
			off, p := r.Int64N(int64(len(want))+1), make([]byte, 1+r.IntN(3000))
			switch r.IntN(4) {
			case 0: // read, also past the end
				n, err := f.ReadAt(p, off)
				if have := min(len(p), len(want)-int(off)); n < have || !bytes.Equal(p[:have], want[off:int(off)+have]) {
					t.Fatalf("seed %v, step %d: read %d octets at %d (%v), want the %d written", seed, step, n, off, err, have)
				}
			case 1:
				ok(t, f.Sync(0))
			default:
				if r.IntN(2) == 0 {
					off = int64(len(want)) // as the WAL grows
				}
				for i := range p {
					p[i] = byte(r.Uint32())
				}
				n, err := f.WriteAt(p, off)
				ok(t, err)
				if n != len(p) {
					t.Fatalf("wrote %d octets, want %d", n, len(p))
				}
				want = append(want[:off], append(p, want[min(len(want), int(off)+len(p)):]...)...)
			}
		}
		ok(t, f.flush())
		whole := make([]byte, len(want))
		if _, err := f.ReadAt(whole, 0); err != nil || !bytes.Equal(whole, want) {
			t.Errorf("seed %v: the file is not what was written (%v)", seed, err)
		}
	}
}

// TestCommitIsOneWrite guards what this package is for.
func TestCommitIsOneWrite(t *testing.T) {
	t.Parallel()
	c := &counter{}
	f := &file{File: c, cipher: passing(), db: &file{whole: true}}
	for i := range int64(64) { // frames of a commit: header and page
		header := make([]byte, frameHeader)
		if i == 63 {
			header[7] = 1
		}
		_, err := f.WriteAt(header, 32+i*4120)
		ok(t, err)
		_, err = f.WriteAt(make([]byte, 4096), 32+i*4120+24)
		ok(t, err)
	}
	if c.writes > 2 { // 264 KB are a little more than are gathered
		t.Errorf("writes = %d, want at most 2", c.writes)
	}
	ok(t, f.Sync(0))
	if c.writes > 2 || c.syncs != 1 {
		t.Errorf("writes = %d, syncs = %d; want at most 2 and 1", c.writes, c.syncs)
	}
}

// TestFailedFlushIsToldAndForgotten: SQLite learns of it at the sync and rolls back.
func TestFailedFlushIsToldAndForgotten(t *testing.T) {
	t.Parallel()
	c := &counter{err: errors.New("disk full")}
	f := &file{File: c, cipher: passing(), db: &file{whole: true}}
	_, err := f.WriteAt(make([]byte, 4120), 0)
	ok(t, err)
	if err := f.Sync(0); !errors.Is(err, c.err) || c.syncs != 0 {
		t.Errorf("sync = %v after %d syncs below, want %v and none", err, c.syncs, c.err)
	}
	c.err = nil
	ok(t, f.Sync(0))
}

// counter is a file that only counts.
type counter struct {
	vfs.File
	writes, syncs int
	err           error
}

func (c *counter) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (c *counter) WriteAt(p []byte, _ int64) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.writes++
	return len(p), nil
}
func (c *counter) Sync(vfs.SyncFlag) error { c.syncs++; return nil }

// plain is a file of the system as SQLite's layer below would give it.
type plain struct{ *os.File }

func (p plain) Sync(vfs.SyncFlag) error                         { return p.File.Sync() }
func (p plain) Size() (int64, error)                            { i, err := p.Stat(); return i.Size(), err }
func (p plain) Lock(vfs.LockLevel) error                        { return nil }
func (p plain) Unlock(vfs.LockLevel) error                      { return nil }
func (p plain) CheckReservedLock() (bool, error)                { return false, nil }
func (p plain) SectorSize() int                                 { return 0 }
func (p plain) DeviceCharacteristics() vfs.DeviceCharacteristic { return 0 }
