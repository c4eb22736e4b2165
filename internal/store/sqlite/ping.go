package sqlite

import (
	"context"

	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
)

// Ping reads from the system database: the file is there and its key opens it.
func (s *Store) Ping(ctx context.Context) error {
	return s.system.read(ctx, func(ctx context.Context) error {
		_, err := s.q.QuotaUsed(ctx, systemdb.QuotaUsedParams{UserID: make([]byte, 16)})
		return err
	})
}
