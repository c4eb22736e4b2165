package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// links makes the addresses that end notices without a sign-in.
type links struct{ key vault.Secret }

// token is a user's, for his mails alone.
func (k links) token(user id.User) string {
	mac := hmac.New(sha256.New, k.key.Reveal())
	mac.Write([]byte("end the digest\x00"))
	mac.Write(user[:])
	return user.String() + "." + hex.EncodeToString(mac.Sum(nil)[:16])
}

func (k links) user(token string) (id.User, bool) {
	if len(token) < 36 {
		return id.User{}, false
	}
	user, err := id.Parse[id.User](token[:36])
	return user, err == nil && hmac.Equal([]byte(k.token(user)), []byte(token))
}

// Event is what became of a letter later.
type Event struct {
	Letter string // Letter.ID
	User   id.User
	What   string // "bounce", "spam", "blocked"
}

// Hear acts upon what became of letters: no more mail goes to an address where
// it is not wanted. Events may come twice and in any order.
func (f *Office) Hear(ctx context.Context, events []Event) error {
	var errs []error
	for _, e := range events {
		err := f.o.Store.Notices(ctx, e.User, func(m *Memory) {
			if m.Blocked == "" {
				m.Blocked, m.BlockAt = e.What, time.Now()
			}
		})
		if !errors.Is(err, account.ErrNone) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Blocked tells why no mail is sent to a user; "": it is.
func (f *Office) Blocked(ctx context.Context, user id.User) (why string, err error) {
	err = f.o.Store.Notices(ctx, user, func(m *Memory) { why = m.Blocked })
	return why, err
}

// Unblock sends mail to a user again: he wants that.
func (f *Office) Unblock(ctx context.Context, user id.User) error {
	return f.o.Store.Notices(ctx, user, func(m *Memory) { m.Blocked, m.BlockAt = "", time.Time{} })
}

// Profiles keeps what users chose.
type Profiles interface {
	Profile(ctx context.Context, user id.User) (account.Profile, error)
	SetProfile(ctx context.Context, user id.User, p account.Profile) error
}

// EndDigest ends the digest of whoever got a letter with this token.
// account.ErrNone: it is nobody's.
func (f *Office) EndDigest(ctx context.Context, token string, profiles Profiles) error {
	user, ok := f.links.user(token)
	if !ok {
		return account.ErrNone
	}
	p, err := profiles.Profile(ctx, user)
	if err != nil {
		return err
	}
	w := WantsOf(p)
	w.Digest = false
	if p.Notices, err = json.Marshal(w); err != nil {
		return err
	}
	return profiles.SetProfile(ctx, user, p)
}
