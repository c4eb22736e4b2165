package sqlite

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"slices"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/pages"
)

// jobsFile is the database of the job queue. Jobs are made of rows elsewhere, so
// that it may be lost: NORMAL spares an fsync each.
type jobsFile struct {
	mu     sync.Mutex
	pool   *sql.DB
	forget func()
}

// Jobs opens <data>/jobs.db for a job queue, which sees to its schema. It is
// encrypted as the others are, has one connection, and ends with the store: who
// uses it stops before.
func (s *Store) Jobs(ctx context.Context) (*sql.DB, error) {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	if s.jobs.pool != nil {
		return s.jobs.pool, nil
	}
	path := filepath.Join(s.dir, "jobs.db")
	if err := makeFiles(path, true); err != nil {
		return nil, fault(path, err)
	}
	a, b := s.index.Index("jobs_page", "1"), s.index.Index("jobs_page", "2")
	params, forget, err := pages.Key(slices.Concat(a[:], b[:]))
	if err != nil {
		return nil, err
	}
	// _timefmt: River compares times as the texts that SQLite's own functions make.
	uri := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=rw&modeof=" + url.QueryEscape(path) +
		"&_txlock=immediate&_timefmt=sqlite&" + params
	pool, err := driver.Open(uri, func(c *sqlite3.Conn) error {
		return c.Exec(pragmas + "PRAGMA synchronous = NORMAL;")
	})
	if err == nil {
		pool.SetMaxOpenConns(1)
		err = pool.PingContext(ctx)
	}
	if err != nil {
		forget()
		return nil, fault(path, err)
	}
	s.jobs.pool, s.jobs.forget = pool, forget
	return pool, nil
}

func (j *jobsFile) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.pool == nil {
		return nil
	}
	defer j.forget()
	pool := j.pool
	j.pool = nil
	return pool.Close()
}

// Due tells that there is something to do: errands or signals. It is for one
// who listens, and may tell once for many.
func (s *Store) Due() <-chan struct{} { return s.due }

func (s *Store) stir() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}
