package sqlite

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
)

// quotaDays is how long counters of the day are kept.
const quotaDays = 7

// Days gives the day's counters (quota.Days).
func (s *Store) Days() quota.Days { return days{s} }

type days struct{ *Store }

// Take implements quota.Days. Both counters are in the system database: they
// change together or not at all.
func (s days) Take(ctx context.Context, day string, user id.User, want, limit quota.Amount) (used quota.Amount, ok bool, err error) {
	err = s.system.write(ctx, func() error {
		ok = false
		if used, err = s.usedToday(day, user); err != nil {
			return err
		}
		if !fits(used.Units, want.Units, limit.Units) || !fits(used.Bytes, want.Bytes, limit.Bytes) {
			return nil
		}
		if used == (quota.Amount{}) {
			if err := s.dropOldDays(day); err != nil {
				return err
			}
		}
		used.Units, used.Bytes, ok = used.Units+want.Units, used.Bytes+want.Bytes, true
		return s.setDay(day, user, used)
	})
	return used, ok, err
}

// Give implements quota.Days.
func (s days) Give(ctx context.Context, day string, user id.User, back quota.Amount) error {
	return s.system.write(ctx, func() error {
		used, err := s.usedToday(day, user)
		if err != nil {
			return err
		}
		left := quota.Amount{Units: max(0, used.Units-back.Units), Bytes: max(0, used.Bytes-back.Bytes)}
		if left == used {
			return nil
		}
		return s.setDay(day, user, left)
	})
}

// Used implements quota.Days.
func (s days) Used(ctx context.Context, day string, user id.User) (used quota.Amount, err error) {
	err = s.system.read(ctx, func(context.Context) error {
		used, err = s.usedToday(day, user)
		return err
	})
	return used, err
}

// fits is the rule of quota.Days for one counter.
func fits(used, want, limit int64) bool {
	return limit == 0 || want == 0 || used == 0 || used+want <= limit
}

func (s days) usedToday(day string, user id.User) (quota.Amount, error) {
	r, err := s.q.QuotaUsed(context.Background(), systemdb.QuotaUsedParams{Day: day, UserID: user[:]})
	return quota.Amount{Units: r.Units, Bytes: r.Bytes}, err
}

func (s days) setDay(day string, user id.User, a quota.Amount) error {
	ctx := context.Background()
	if err := s.q.SetQuotaDay(ctx, systemdb.SetQuotaDayParams{Day: day, Units: a.Units}); err != nil {
		return err
	}
	return s.q.SetQuotaUserDay(ctx, systemdb.SetQuotaUserDayParams{Day: day, UserID: user[:], Bytes: a.Bytes})
}

// dropOldDays forgets the counters of days long past; a day that is not
// written as a date drops none.
func (s days) dropOldDays(day string) error {
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil
	}
	before := d.AddDate(0, 0, -quotaDays).Format(time.DateOnly)
	if err := s.q.DropQuotaDays(context.Background(), before); err != nil {
		return err
	}
	return s.q.DropQuotaUserDays(context.Background(), before)
}
