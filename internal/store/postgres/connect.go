package postgres

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// poolSize is for one process; pool_max_conns in the URL says otherwise.
const poolSize = 16

// connect makes a pool. It opens no connection yet.
func connect(at vault.Secret, variable string) (*pgxpool.Pool, error) {
	cfg, err := poolConfig(at, variable)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, fault(err)
	}
	return pool, nil
}

// poolConfig reads a URL. It never quotes it: there is a password in it.
func poolConfig(at vault.Secret, variable string) (*pgxpool.Config, error) {
	text, err := verified(at.RevealString())
	if err != nil {
		return nil, badURL(variable, "is no URL of a Postgres database", "write postgres://user:password@host/name")
	}
	cfg, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, badURL(variable, "has a part that Postgres does not know", "write postgres://user:password@host/name")
	}
	c := &cfg.ConnConfig.Config
	if !safe(c) {
		return nil, badURL(variable, "would let the connection to the database be read or taken over",
			"write sslmode=verify-full in it, with sslrootcert=FILE for a certificate of your own; less will do on this machine alone")
	}
	// Named prepared statements belong to a connection of the server, which
	// PgBouncer gives to somebody else after each transaction.
	if !strings.Contains(text, "default_query_exec_mode") {
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if !strings.Contains(text, "pool_max_conns") {
		cfg.MaxConns = poolSize
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	return cfg, nil
}

// verified asks for verify-full where the URL says nothing.
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

// safe reports whether every way to the server that would be tried stays on this
// machine or proves who is at its end.
func safe(c *pgconn.Config) bool {
	ways := append([]*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	for _, w := range ways {
		// verify-ca takes any certificate, and then looks who signed it.
		if !local(w.Host) && (w.TLSConfig == nil || w.TLSConfig.InsecureSkipVerify || w.TLSConfig.ServerName == "") {
			return false
		}
	}
	return true
}

// local reports whether a host is this machine: the loopback or a socket.
func local(host string) bool {
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func badURL(variable, what, help string) error {
	return &mail.Fault{Class: mail.Setup, Code: "database_url", Text: variable + " " + what, Help: help}
}
