package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
)

// quotaDays is how long counters of the day are kept.
const quotaDays = 7

// Days gives the day's counters (quota.Days).
func (s *Store) Days() quota.Days { return days{s} }

type days struct{ *Store }

// Take implements quota.Days: in one round trip, under a lock on both counters.
func (s days) Take(ctx context.Context, day string, user id.User, want, limit quota.Amount) (used quota.Amount, ok bool, err error) {
	b := new(pgx.Batch)
	door := s.opening(id.User{})
	b.Queue(door.sql, door.args...)
	b.Queue(systemdb.MakeQuotaDay, day)
	b.Queue(systemdb.MakeQuotaUserDay, day, user[:])
	b.Queue(systemdb.LockQuota, day, user[:])
	b.Queue(systemdb.TakeQuota, limit.Units, want.Units, limit.Bytes, want.Bytes, day, user[:]).QueryRow(func(r pgx.Row) error {
		return r.Scan(&ok, &used.Units, &used.Bytes)
	})
	err = s.connected(ctx, func(ctx context.Context, c *pgxpool.Conn) error { return c.SendBatch(ctx, b).Close() })
	if err != nil || !ok {
		return used, false, err
	}
	if used == (quota.Amount{}) {
		err = s.dropOldDays(ctx, day)
	}
	return quota.Amount{Units: used.Units + want.Units, Bytes: used.Bytes + want.Bytes}, true, err
}

// Give implements quota.Days.
func (s days) Give(ctx context.Context, day string, user id.User, back quota.Amount) error {
	return s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		if err := q.GiveUnits(ctx, systemdb.GiveUnitsParams{Units: back.Units, Day: day}); err != nil {
			return err
		}
		return q.GiveBytes(ctx, systemdb.GiveBytesParams{Bytes: back.Bytes, Day: day, UserID: user[:]})
	})
}

// Used implements quota.Days.
func (s days) Used(ctx context.Context, day string, user id.User) (used quota.Amount, err error) {
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		r, err := q.QuotaUsed(ctx, systemdb.QuotaUsedParams{Day: day, UserID: user[:]})
		used = quota.Amount{Units: r.Units, Bytes: r.Bytes}
		return err
	})
	return used, err
}

// dropOldDays forgets the counters of days long past; a day that is not
// written as a date drops none.
func (s days) dropOldDays(ctx context.Context, day string) error {
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil
	}
	before := d.AddDate(0, 0, -quotaDays).Format(time.DateOnly)
	return s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		if err := q.DropQuotaDays(ctx, before); err != nil {
			return err
		}
		return q.DropQuotaUserDays(ctx, before)
	})
}
