package postgres

import (
	"bytes"
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// moduleHead is what is sealed of a module beside its octets.
type moduleHead struct {
	Digest   []byte `json:"digest"`
	Manifest []byte `json:"manifest"`
}

// moduleKey is what a digest is kept as: who has a file could else tell from a
// copy who uses it.
func (s *Store) moduleKey(user id.User, d rules.Digest) []byte {
	h := s.index.Index("module", string(user[:])+string(d[:]))
	return h[:]
}

// Modules gives the plugins that a user has uploaded, the oldest first, without
// their octets.
func (s *Store) Modules(ctx context.Context, user id.User) (out []rules.Module, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return nil, err
	}
	var rows []userdb.ModulesRow
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
		rows, err = q.Modules(ctx)
		return err
	})
	for _, r := range rows {
		m, err := p.module(r)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, err
}

func (p *person) module(r userdb.ModulesRow) (rules.Module, error) {
	var head moduleHead
	err := opened(p.key, p.place("modules", "manifest", r.Digest), r.Manifest, &head)
	if err != nil {
		return rules.Module{}, err
	}
	return rules.Module{Digest: rules.Digest(head.Digest), Manifest: head.Manifest, Size: int(r.Size), Added: instant(r.Added)}, nil
}

// Module gives one with its octets. account.ErrNone.
func (s *Store) Module(ctx context.Context, user id.User, d rules.Digest) (m rules.Module, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return m, err
	}
	key := s.moduleKey(user, d)
	var r userdb.GetModuleRow
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
		r, err = q.GetModule(ctx, key)
		return none(err)
	})
	if err != nil {
		return m, err
	}
	if m, err = p.module(userdb.ModulesRow{Digest: key, Manifest: r.Manifest, Size: r.Size, Added: r.Added}); err != nil {
		return m, err
	}
	wasm, err := p.key.Open(p.place("modules", "wasm", key), r.Wasm)
	m.Wasm = wasm.Reveal()
	return m, err
}

// AddModule keeps a module, unless it is there. rules.ErrTooManyModules.
func (s *Store) AddModule(ctx context.Context, user id.User, m rules.Module) error {
	p, err := s.person(ctx, user)
	if err != nil {
		return err
	}
	key := s.moduleKey(user, m.Digest)
	head, err := sealed(p.key, p.place("modules", "manifest", key), moduleHead{m.Digest[:], m.Manifest})
	if err != nil {
		return err
	}
	wasm := p.key.Seal(p.place("modules", "wasm", key), vault.NewSecret(m.Wasm))
	return s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		if _, err := q.LockProfile(ctx); err != nil {
			return none(err)
		}
		have, err := q.ModuleDigests(ctx)
		if err != nil {
			return err
		}
		for _, d := range have {
			if bytes.Equal(d, key) {
				return nil
			}
		}
		if len(have) >= rules.MaxModules {
			return rules.ErrTooManyModules
		}
		return q.AddModule(ctx, userdb.AddModuleParams{Digest: key, Manifest: head, Wasm: wasm, Size: int32(len(m.Wasm)), Added: nanos(time.Now())})
	})
}

// DropModule forgets a module that no rule uses. account.ErrNone, rules.ErrInUse.
func (s *Store) DropModule(ctx context.Context, user id.User, d rules.Digest) error {
	p, err := s.person(ctx, user)
	if err != nil {
		return err
	}
	return s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		if _, err := q.LockProfile(ctx); err != nil {
			return none(err)
		}
		have, err := p.rules(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range have {
			if r.Plugin == d.String() {
				return rules.ErrInUse
			}
		}
		return noneOf(q.DropModule(ctx, s.moduleKey(user, d)))
	})
}
