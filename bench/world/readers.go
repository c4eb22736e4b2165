package world

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/pages"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Readers makes n users who only look: each with a mailbox that they have
// paused, so many lines in the audit, and an API token for reading, whose
// texts are given. Sign-in and mailbox are made through the store; the lines
// are put into the users' databases directly, since a million of them by way
// of the ledger would be a measurement of its own.
func (w *World) Readers(ctx context.Context, n, lines int) ([]vault.Secret, error) {
	st, keys, err := w.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	tokens, users := make([]vault.Secret, n), make([]id.User, n)
	err = parallel(n, func(i int) (err error) {
		users[i], tokens[i], err = reader(ctx, st, i)
		return err
	})
	if err = errors.Join(err, st.Close()); err != nil {
		return nil, err
	}
	return tokens, parallel(n, func(i int) error {
		key, err := keys.User(ctx, users[i])
		if err != nil {
			return err
		}
		return w.lines(ctx, users[i], key.PageKey(), lines)
	})
}

func reader(ctx context.Context, st *sqlite.Store, i int) (user id.User, token vault.Secret, err error) {
	u, err := st.EnsureUser(ctx, fmt.Sprintf("reader-%d", i))
	if err != nil {
		return user, token, err
	}
	m, err := st.EnsureMailbox(ctx, u.ID, account.Mailbox{Name: "paused", Protocol: "pop3", Host: "127.0.0.1", Port: 995, Security: "tls",
		Username: fmt.Sprintf("reader-%d", i), Password: vault.NewSecret("none"), AfterImport: "leave", History: "all"})
	if err != nil {
		return user, token, err
	}
	paused := schedule.State{Phase: schedule.Paused, Reason: schedule.Reason{Code: "paused", Detail: "the user has paused it"}}
	if err := st.Save(ctx, u.ID, m.ID, paused); err != nil {
		return user, token, err
	}
	_, token, err = st.IssueToken(ctx, u.ID, session.NewToken{Name: "bench", Scopes: session.AuditRead | session.MailboxesRead})
	return u.ID, token, err
}

// lines writes so many audit lines of a user's first mailbox, one a minute
// until now: one in ten skipped, the others imported.
func (w *World) lines(ctx context.Context, user id.User, page vault.Secret, n int) error {
	params, forget, err := pages.Key(page.Reveal())
	if err != nil {
		return err
	}
	defer forget()
	path := filepath.Join(w.Data(), "users", user.String()+".db")
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=rw&"+params)
	if err != nil {
		return err
	}
	first := time.Now().Add(-time.Duration(n) * time.Minute).UnixMilli()
	_, err = db.ExecContext(ctx, `
		WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < ?)
		INSERT INTO audit (id, mailbox, domain, status, reason, size)
		SELECT unhex(printf('%012x7%03x8%015x', ? + n * 60000, n % 4096, n)), (SELECT min(n) FROM mailboxes),
			'news' || (n % 97) || '.example.org', CASE WHEN n % 10 = 0 THEN 3 ELSE 2 END, CASE WHEN n % 10 = 0 THEN 'rule' ELSE '' END, 5000 + n % 1000
		FROM n`, n, first)
	return errors.Join(err, db.Close())
}
