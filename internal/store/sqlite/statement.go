package sqlite

import (
	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

// statement is one that is worth being prepared: on each connection when it is
// first needed there, since most that are opened for a poll need few of them.
type statement struct{ sql string }

var (
	sqlBegin  = &statement{"BEGIN IMMEDIATE"}
	sqlCommit = &statement{"COMMIT"}

	sqlEpoch       = &statement{userdb.Epoch}
	sqlFailedTries = &statement{userdb.FailedTries}
	sqlInsertClaim = &statement{userdb.InsertClaim}
	sqlDropFailed  = &statement{userdb.DropFailed}
	sqlDropClaim   = &statement{userdb.DropClaim}
	sqlSettle      = &statement{userdb.Settle}
	sqlRecord      = &statement{userdb.Record}
	sqlInsertAudit = &statement{userdb.InsertAudit}

	sqlCountImported = &statement{userdb.CountImported}
	sqlAuditAll      = &statement{userdb.AuditAll}
	sqlAuditMailbox  = &statement{userdb.AuditOfMailbox}
	sqlAuditStatus   = &statement{userdb.AuditOfStatus}
	sqlStepAll       = &statement{userdb.StepAll}
	sqlStepMailbox   = &statement{userdb.StepOfMailbox}
	sqlStepStatus    = &statement{userdb.StepOfStatus}
	sqlTally         = &statement{userdb.Tally}

	sqlRegister       = &statement{systemdb.Register}
	sqlScheduledAfter = &statement{systemdb.ScheduledAfter}
	sqlSession        = &statement{systemdb.SessionByHash}
	sqlToken          = &statement{systemdb.TokenByHash}
)

// bind gives a statement to bind values to, from ?1 on.
func (d *database) bind(s *statement) binder {
	st := d.stmts[s]
	if st != nil {
		return binder{s: st}
	}
	st, _, err := d.conn.PrepareFlags(s.sql, sqlite3.PREPARE_PERSISTENT)
	if err == nil {
		d.stmts[s] = st
	}
	return binder{s: st, err: err}
}

// binder binds the values of a statement one after the other.
type binder struct {
	s   *sqlite3.Stmt
	n   int
	err error
}

func (b binder) int(v int64) binder {
	b.n++
	if b.err == nil {
		b.err = b.s.BindInt64(b.n, v)
	}
	return b
}

func (b binder) blob(v []byte) binder {
	b.n++
	if b.err == nil {
		b.err = b.s.BindBlob(b.n, v)
	}
	return b
}

func (b binder) text(v string) binder {
	b.n++
	if b.err == nil {
		b.err = b.s.BindText(b.n, v)
	}
	return b
}

// exec runs the statement.
func (b binder) exec() error {
	if b.err != nil {
		return b.err
	}
	return b.s.Exec()
}

// each runs the statement and f on each row of its result.
func (b binder) each(f func(*sqlite3.Stmt)) error {
	if b.err != nil {
		return b.err
	}
	for b.s.Step() {
		f(b.s)
	}
	return b.s.Reset()
}
