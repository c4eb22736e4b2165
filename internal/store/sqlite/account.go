package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// inUser is the door to a user's rows; account.ErrNone if there is no such user.
func (s *Store) inUser(ctx context.Context, user id.User, f func(*userDB) error) error {
	err := s.users.use(ctx, user, f)
	if errors.Is(err, errGone) {
		return account.ErrNone
	}
	return err
}

// EnsureUser finds or makes the user whom the identity provider calls subject.
// Key and file are made before the name: a crash leaves no user without them.
func (s *Store) EnsureUser(ctx context.Context, subject string) (account.User, error) {
	hash := s.index.Index("subject", subject)
	user, wiping, err := s.findUser(ctx, hash)
	if err == nil && wiping {
		_, err = s.WipeUser(ctx, user)
		if err == nil {
			err = account.ErrNone
		}
	}
	if !errors.Is(err, account.ErrNone) {
		return account.User{ID: user}, err
	}
	fresh := id.New[id.User]()
	if _, err := s.keys.CreateUser(ctx, fresh); err != nil {
		return account.User{}, err
	}
	made := int64(0)
	u, err := s.openUser(ctx, fresh, true)
	if err == nil {
		err = errors.Join(u.close(), syncDir(s.dir), syncDir(s.dir+"/users"))
	}
	if err == nil {
		err = s.system.write(ctx, func() (err error) {
			made, err = s.q.InsertUser(context.Background(), systemdb.InsertUserParams{ID: fresh[:], Subject: hash[:], Created: time.Now().Unix()})
			return err
		})
	}
	if err == nil && made == 1 {
		return account.User{ID: fresh}, nil
	}
	// Somebody was faster, or it failed: what was made for it goes.
	cleanup := context.WithoutCancel(ctx)
	err = errors.Join(err, s.keys.DestroyUser(cleanup, fresh), remove(s.userFile(fresh)))
	if err != nil {
		return account.User{}, err
	}
	user, _, err = s.findUser(ctx, hash)
	return account.User{ID: user}, err
}

func (s *Store) findUser(ctx context.Context, hash [32]byte) (user id.User, wiping bool, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		r, err := s.q.UserBySubject(ctx, hash[:])
		if err == nil {
			user, wiping = id.User(r.ID), r.Wiping != 0
		}
		return none(err)
	})
	return user, wiping, err
}

// PutGrant keeps what Google gave; it replaces what was kept before.
func (s *Store) PutGrant(ctx context.Context, user id.User, g account.Grant) error {
	scopes, err := json.Marshal(g.Scopes)
	if err != nil {
		return err
	}
	return s.inUser(ctx, user, func(u *userDB) error {
		seal := func(column string, v vault.Secret) []byte { return u.key.Seal(u.place("grants", column, nil), v) }
		p := userdb.PutGrantParams{
			RefreshToken: seal("refresh_token", g.RefreshToken), Scopes: string(scopes),
			Email: seal("email", vault.NewSecret(g.Email)), Sub: seal("sub", vault.NewSecret(g.Sub)),
			GrantedAt: g.GrantedAt.UnixNano(),
		}
		return u.write(ctx, func() error { return u.q.PutGrant(context.Background(), p) })
	})
}

// Grant gives what Google gave, or account.ErrNone.
func (s *Store) Grant(ctx context.Context, user id.User) (g account.Grant, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			r, err := u.q.GetGrant(ctx)
			if err != nil {
				return none(err)
			}
			g, err = u.grant(r)
			return err
		})
	})
	return g, err
}

func (u *userDB) grant(r userdb.Grant) (g account.Grant, err error) {
	open := func(column string, sealed []byte) (v vault.Secret) {
		if err == nil {
			v, err = u.key.Open(u.place("grants", column, nil), sealed)
		}
		return v
	}
	g.RefreshToken = open("refresh_token", r.RefreshToken)
	g.Email = open("email", r.Email).RevealString()
	g.Sub = open("sub", r.Sub).RevealString()
	g.GrantedAt = time.Unix(0, r.GrantedAt).UTC()
	if err == nil {
		err = json.Unmarshal([]byte(r.Scopes), &g.Scopes)
	}
	return g, err
}

// DropGrant destroys what Google gave: it is gone from the file and its WAL
// when this returns.
func (s *Store) DropGrant(ctx context.Context, user id.User) error {
	return s.inUser(ctx, user, func(u *userDB) error {
		err := u.write(ctx, func() error {
			_, err := u.q.DropGrant(context.Background())
			return err
		})
		if err == nil {
			err = u.scrub(ctx)
		}
		return err
	})
}
