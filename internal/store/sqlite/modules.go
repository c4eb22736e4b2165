package sqlite

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

// Modules gives the plugins that a user has uploaded, the oldest first, without
// their octets.
func (s *Store) Modules(ctx context.Context, user id.User) (out []rules.Module, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			rows, err := u.q.Modules(ctx)
			for _, r := range rows {
				out = append(out, rules.Module{Digest: rules.Digest(r.Digest), Manifest: []byte(r.Manifest), Size: int(r.Size), Added: instant(r.Added)})
			}
			return err
		})
	})
	return out, err
}

// Module gives one with its octets. account.ErrNone.
func (s *Store) Module(ctx context.Context, user id.User, d rules.Digest) (m rules.Module, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			r, err := u.q.GetModule(ctx, d[:])
			if err == nil {
				m = rules.Module{Digest: d, Manifest: []byte(r.Manifest), Wasm: r.Wasm, Size: len(r.Wasm), Added: instant(r.Added)}
			}
			return none(err)
		})
	})
	return m, err
}

// AddModule keeps a module, unless it is there. rules.ErrTooManyModules.
func (s *Store) AddModule(ctx context.Context, user id.User, m rules.Module) error {
	return s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			have, err := u.q.ModuleDigests(context.Background())
			if err != nil {
				return err
			}
			for _, d := range have {
				if rules.Digest(d) == m.Digest {
					return nil
				}
			}
			if len(have) >= rules.MaxModules {
				return rules.ErrTooManyModules
			}
			return u.q.AddModule(context.Background(), userdb.AddModuleParams{
				Digest: m.Digest[:], Manifest: string(m.Manifest), Wasm: m.Wasm, Added: nanos(time.Now()),
			})
		})
	})
}

// DropModule forgets a module that no rule uses. account.ErrNone, rules.ErrInUse.
func (s *Store) DropModule(ctx context.Context, user id.User, d rules.Digest) error {
	return s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			used, err := u.q.RulesOfPlugin(context.Background(), d.String())
			if err == nil && used > 0 {
				err = rules.ErrInUse
			}
			if err != nil {
				return err
			}
			return noneOf(u.q.DropModule(context.Background(), d[:]))
		})
	})
}
