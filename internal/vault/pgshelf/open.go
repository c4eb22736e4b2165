package pgshelf

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Options of a key store. The zero value is for one in a database of its own.
type Options struct {
	// Inside says that the table is part of the store's database, whose own
	// migration makes it.
	Inside bool
}

// connections is enough: a key is asked for when a mailbox is opened.
const connections = 8

// Open connects to the key store at a URL, postgres://user:password@host/name.
func Open(ctx context.Context, at vault.Secret, o Options) (*Shelf, error) {
	pool, err := connect(ctx, at)
	if err != nil {
		return nil, err
	}
	s := &Shelf{pool}
	if o.Inside {
		_, err = s.page(ctx, "~") // behind every name
		err = fault("", err)
	} else {
		err = s.checkVersion(ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func connect(ctx context.Context, at vault.Secret) (*pgxpool.Pool, error) {
	text, err := verified(at.RevealString())
	var c *pgxpool.Config
	if err == nil {
		c, err = pgxpool.ParseConfig(text)
	}
	if err != nil { // its text may quote the URL
		return nil, &mail.Fault{Class: mail.Setup, Code: "config", Text: setting + " is no URL of a Postgres database", Help: "write postgres://user:password@host/name"}
	}
	if err := checkTLS(c.ConnConfig); err != nil {
		return nil, err
	}
	if !strings.Contains(text, "pool_max_conns=") {
		c.MaxConns = connections
	}
	c.MaxConnIdleTime = time.Minute // a database that can sleep may
	c.ConnConfig.ConnectTimeout = patience
	// No prepared statements: PgBouncer in transaction mode would lose them.
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fault("", err)
	}
	return pool, nil
}

// verified asks for a check of the certificate where the URL says nothing.
func verified(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	q := u.Query()
	if !q.Has("sslmode") && !(local(u.Hostname()) && local(q.Get("host"))) {
		q.Set("sslmode", "verify-full")
		u.RawQuery = q.Encode()
	}
	return u.String(), nil
}

// checkTLS wants the server's certificate checked, name and all, for every way
// by which the connection may be made; this machine's own are safe without.
func checkTLS(c *pgx.ConnConfig) error {
	ways := []struct {
		host string
		tls  *tls.Config
	}{{c.Host, c.TLSConfig}}
	for _, f := range c.Fallbacks {
		ways = append(ways, struct {
			host string
			tls  *tls.Config
		}{f.Host, f.TLSConfig})
	}
	for _, w := range ways {
		verified := w.tls != nil && !w.tls.InsecureSkipVerify && w.tls.ServerName != ""
		if !verified && !local(w.host) {
			return &mail.Fault{Class: mail.Setup, Code: "key_store",
				Text: fmt.Sprintf("%s would send keys to %s without checking its certificate", setting, w.host),
				Help: "add sslmode=verify-full to it, with sslrootcert= for roots of your own"}
		}
	}
	return nil
}

func local(host string) bool {
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
