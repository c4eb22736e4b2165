package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestADatabaseElsewhereIsReachedThroughVerifiedTLSAlone(t *testing.T) {
	t.Parallel()
	for url, safe := range map[string]bool{
		"postgres://u:hunter2@db.example.org/d":                                     true, // verify-full without a word
		"postgres://u:hunter2@db.example.org/d?sslmode=verify-full":                 true,
		"postgres://u:hunter2@db.example.org/d?sslmode=verify-ca":                   false,
		"postgres://u:hunter2@db.example.org/d?sslmode=require":                     false,
		"postgres://u:hunter2@db.example.org/d?sslmode=prefer":                      false,
		"postgres://u:hunter2@db.example.org/d?sslmode=allow":                       false,
		"postgres://u:hunter2@db.example.org/d?sslmode=disable":                     false,
		"postgres://u:hunter2@192.0.2.1/d?sslmode=disable":                          false,
		"postgres://u:hunter2@127.0.0.1,db.example.org/d?sslmode=disable":           false,
		"postgres://u:hunter2@127.0.0.1/d?host=db.example.org&sslmode=disable":      false,
		"postgres://u:hunter2@[::ffff:127.0.0.1]:5432/d":                            true,
		"postgres://u:hunter2@127.0.0.1/d":                                          true,
		"postgres://u:hunter2@localhost:6432/d?sslmode=disable":                     true,
		"postgres:///d?host=/run/postgresql&user=u":                                 true,
		"postgres://u:hunter2@db.example.org/d?sslmode=verify-full&nonsense=%zz":    false,
		"postgres://u:hunter2@db.example.org:port/d":                                false,
		"postgres://u:hunter2@db.example.org/d?sslmode=verify-full&sslrootcert=/no": false,
	} {
		cfg, err := poolConfig(secret(url), "SMTPSYNC_DATABASE_URL")
		if (err == nil) != safe {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "SMTPSYNC_DATABASE_URL ")) {
			t.Errorf("%s: %v", url, err)
		}
		if err == nil && cfg.ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheDescribe {
			t.Errorf("%s: mode = %v", url, cfg.ConnConfig.DefaultQueryExecMode)
		}
	}
}
