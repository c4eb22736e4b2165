package config

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Keystore is where the wrapped user keys and the salts of mailboxes live, and
// what that means for a wipe.
type Keystore struct {
	Dir      string       // "": they are in a database
	Database vault.Secret // its URL
	Inside   bool         // it is the store's own database

	// Shared says that what brings back the store as it was brings back the keys
	// as well: history, snapshots and backups of the one hold the other.
	Shared bool
	// History is how long a destroyed key can be brought back. 0: it cannot.
	History time.Duration
}

// unknownHistory is what is said of a database whose history nobody told us of:
// no hosted Postgres that we know keeps more.
const unknownHistory = 30 * 24 * time.Hour

// Keystore says where the keys live.
func (c *Config) Keystore() (k Keystore, err error) {
	k.History = c.KeystoreHistory
	at := c.KeystoreURL.RevealString()
	switch {
	case at == "" && c.Postgres():
		k.Database, k.Inside, k.Shared = c.DatabaseURL, true, true
	case strings.HasPrefix(at, "postgres"):
		k.Database = c.KeystoreURL
		k.Shared = c.Postgres() && server(at) == server(c.DatabaseURL.RevealString())
	case at != "":
		if k.Dir, err = vault.DirURL(at); err != nil || c.Postgres() {
			return k, err
		}
		k.Shared = inside(k.Dir, directory(c.DatabaseURL.RevealString()))
	default:
		k.Dir, k.Shared = filepath.Join(directory(c.DatabaseURL.RevealString()), "keys"), true
	}
	if k.Shared && k.Dir == "" && k.History == 0 {
		k.History = unknownHistory
	}
	return k, nil
}

// server names the Postgres server of a URL: databases of one have one history.
func server(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	host, port := u.Query().Get("host"), u.Query().Get("port")
	if host == "" {
		host = u.Hostname()
	}
	if port == "" {
		port = u.Port()
	}
	if port == "" {
		port = "5432"
	}
	return strings.ToLower(host) + ":" + port
}

// within reports whether dir lies in parent.
func inside(dir, parent string) bool {
	a, errA := filepath.Abs(dir)
	b, errB := filepath.Abs(parent)
	return errA == nil && errB == nil && (a == b || strings.HasPrefix(a, b+string(filepath.Separator)))
}
