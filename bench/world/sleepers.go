package world

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"net/url"
	"path/filepath"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/pages"
)

// Sleepers registers n mailboxes that are not due before until. They have rows
// in the system database, which is all that the product reads of a mailbox
// before it is due, and nothing else: a million users' databases would take
// hours to make and prove nothing more.
func (w *World) Sleepers(ctx context.Context, n int, until time.Time) error {
	st, keys, err := w.OpenStore(ctx) // makes the tables where there are none
	if err != nil {
		return err
	}
	if err := st.Close(); err != nil {
		return err
	}
	system, err := keys.System(ctx)
	if err != nil {
		return err
	}
	params, forget, err := pages.Key(system.PageKey().Reveal())
	if err != nil {
		return err
	}
	defer forget()
	path := filepath.Join(w.Data(), "system.db")
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=rw&"+params)
	if err != nil {
		return err
	}
	return errors.Join(sleep(ctx, db, n, until), db.Close())
}

// perLane is how many of them share a mail server.
const perLane = 1000

func sleep(ctx context.Context, db *sql.DB, n int, until time.Time) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // of no effect after Commit
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO wheel (user_id, mailbox_id, lane, phase, until, every, dirty)
		VALUES (?, ?, ?, ?, ?, 0, 0)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	var user, box [16]byte
	_, _ = rand.Read(user[:8]) // never fails
	_, _ = rand.Read(box[:8])
	for i := range n {
		// Ascending ids, as UUIDs of version 7 are: a B-tree of them is dense.
		binary.BigEndian.PutUint64(user[8:], uint64(i))
		binary.BigEndian.PutUint64(box[8:], uint64(i))
		at := until.Add(time.Duration(i%3600) * time.Second)
		if _, err := insert.ExecContext(ctx, user[:], box[:], int64(i/perLane), int64(schedule.Waiting), at.UnixNano()); err != nil {
			return err
		}
	}
	return tx.Commit()
}
