package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/pages"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// pragmas are what every connection starts with. FULL: what was answered is on
// the disk, or a power cut would lose a claim and import its message twice.
//
// cache_spill OFF: what a transaction appends to the WAL is its commit, whole,
// which package pages makes one write of.
const pragmas = `
	PRAGMA busy_timeout = 10000;
	PRAGMA cache_spill = OFF;
	PRAGMA journal_mode = WAL;
	PRAGMA synchronous = FULL;
	PRAGMA secure_delete = ON;
	PRAGMA foreign_keys = ON;
	PRAGMA temp_store = MEMORY;
	PRAGMA trusted_schema = OFF;`

// database is one open file with its one connection.
type database struct {
	path   string
	forget func() // the key
	pool   *sql.DB
	cold   *prepared     // for generated methods
	conn   *sqlite3.Conn // the same connection, for prepared statements
	stmts  map[*statement]*sqlite3.Stmt
	// began runs first in every transaction.
	began   func() error
	observe func(took time.Duration, writes int) // nil: nobody does
	mu      sync.Mutex                           // for conn, and all that is prepared on it

	queue queue
}

// openDatabase opens the file at path, which must exist unless create, and
// brings it to the schema of this release.
func openDatabase(ctx context.Context, path string, key vault.Secret, s schema, create bool) (_ *database, err error) {
	d := &database{path: path, began: func() error { return nil }}
	d.queue.still.L = &d.queue.mu
	defer func() {
		if err != nil {
			d.release()
			err = fault(path, err)
		}
	}()
	if err := makeFiles(path, create); err != nil {
		return nil, err
	}
	return d, d.connect(ctx, key, s)
}

// connect opens the connection.
func (d *database) connect(ctx context.Context, key vault.Secret, s schema) error {
	params, forget, err := pages.Key(key.Reveal())
	if err != nil {
		return err
	}
	d.forget = forget
	uri := "file:" + (&url.URL{Path: d.path}).EscapedPath() + "?mode=rw&modeof=" + url.QueryEscape(d.path) + "&" + params
	d.pool, err = driver.Open(uri, prepare)
	if err != nil {
		return err
	}
	d.pool.SetMaxOpenConns(1)
	if err = s.upgrade(ctx, d.pool, d.path); err != nil {
		return err
	}
	c, err := d.pool.Conn(ctx)
	if err != nil {
		return err
	}
	d.stmts, d.cold = map[*statement]*sqlite3.Stmt{}, &prepared{conn: c, stmts: map[string]*sql.Stmt{}}
	err = c.Raw(func(c any) error {
		d.conn = c.(driver.Conn).Raw()
		return nil
	})
	if err == nil {
		d.conn.SetInterrupt(context.Background())
	}
	return err
}

// prepare makes a new connection ready. SQLite is told not to look at the values
// of a statement when it plans it: else (SQLITE_ENABLE_STAT4) it would compile a
// prepared one again whenever another value is bound, which takes longer than to
// run it.
func prepare(c *sqlite3.Conn) error {
	if _, err := c.Config(sqlite3.DBCONFIG_ENABLE_QPSG, true); err != nil {
		return err
	}
	return c.Exec(pragmas)
}

// makeFiles makes the files of a database, which SQLite would make readable for
// others; the database itself only if create.
func makeFiles(path string, create bool) error {
	for _, suffix := range []string{"", "-shm"} { // the WAL gets its mode by modeof
		flags := os.O_RDWR
		if create || suffix != "" {
			flags |= os.O_CREATE
		}
		f, err := os.OpenFile(path+suffix, flags, 0o600)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// read runs f while nobody else uses the connection.
func (d *database) read(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return errGone
	}
	err := f(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // SQLite says only that it was interrupted
	}
	return fault(d.path, err)
}

// close waits for what is queued and closes the file. It may be repeated.
func (d *database) close() error {
	d.queue.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.release()
}

func (d *database) release() error {
	var errs []error
	for _, s := range d.stmts {
		errs = append(errs, s.Close())
	}
	d.conn, d.stmts = nil, nil
	if d.cold != nil {
		errs = append(errs, d.cold.close())
	}
	if d.pool != nil {
		errs = append(errs, d.pool.Close())
	}
	if d.forget != nil {
		d.forget()
	}
	d.cold, d.pool, d.forget = nil, nil, nil
	return errors.Join(errs...)
}

// remove unlinks a database and the files beside it, durably.
func remove(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", ".new"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// schema is the steps that lead to the tables of one kind of database.
type schema struct {
	steps  []string // the first is number 1
	latest int
}

func newSchema(files fs.FS) schema {
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		panic("sqlite: no migrations")
	}
	s := schema{latest: len(names)}
	for i, name := range names {
		text, err := fs.ReadFile(files, name)
		if number, _, _ := strings.Cut(name, "_"); err != nil || number != fmt.Sprintf("%04d", i+1) {
			panic("sqlite: migration " + name + " is not number " + strconv.Itoa(i+1))
		}
		s.steps = append(s.steps, string(text))
	}
	return s
}

// newer is the fault of a file that a later release has written.
func (s schema) newer(path string, version int) error {
	return &mail.Fault{Class: mail.Setup, Code: "schema_newer",
		Text: fmt.Sprintf("%s was written by a newer release (schema %d, this one knows %d)", path, version, s.latest),
		Help: "run that release or a later one"}
}
