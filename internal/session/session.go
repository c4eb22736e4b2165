package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// ErrNone: there is no such session or token (any more), or it is somebody
// else's, or there is no such user.
var ErrNone = errors.New("session: none")

// How long a session lives.
const (
	IdleLife = 30 * 24 * time.Hour // since it was last seen
	MaxLife  = 90 * 24 * time.Hour // since it began
	// Coarse is how exactly the last use of a session or token is known: it is
	// written no oftener.
	Coarse = 10 * time.Minute
	// MaxSessions of one user; the one unused for longest makes room.
	MaxSessions = 50
)

// ID names a session to its user; it opens nothing.
type ID [16]byte

// ParseID reads the text form of an ID.
func ParseID(s string) (ID, error) { return id.Parse[ID](s) }

func (i ID) String() string { return id.User(i).String() }

// Session is a web login.
type Session struct {
	ID       ID
	User     id.User
	Created  time.Time
	LastSeen time.Time // to within Coarse
	Client   string    // ClientName; in lists only
}

// Expires tells when the session ends if it is not used again.
func (s Session) Expires() time.Time {
	idle, most := s.LastSeen.Add(IdleLife), s.Created.Add(MaxLife)
	if idle.Before(most) {
		return idle
	}
	return most
}

const secretSize = 32

// NewCookie makes the value of a new session's cookie.
func NewCookie() vault.Secret {
	b := random()
	defer clear(b)
	return vault.NewSecret(base64.RawURLEncoding.EncodeToString(b))
}

func random() []byte {
	b := make([]byte, secretSize)
	_, _ = rand.Read(b) // never fails
	return b
}

// IsCookie reports whether a value has the form of one: whatever else a client
// sends is not worth a look into the store.
func IsCookie(v vault.Secret) bool {
	if base64.RawURLEncoding.EncodedLen(secretSize) != len(v.Reveal()) {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(v.RevealString())
	return err == nil
}

// CSRF gives the token that a page of this session sends along with each
// unsafe request. Who cannot read the page cannot know it; it is a hash under
// the cookie's value, so that it tells nothing of that.
func CSRF(cookie vault.Secret) string {
	m := hmac.New(sha256.New, cookie.Reveal())
	m.Write([]byte("smtp-sync/csrf/v1"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// CheckCSRF compares what a request brought with the session's, in constant time.
func CheckCSRF(cookie vault.Secret, given string) bool {
	return !cookie.Empty() && hmac.Equal([]byte(CSRF(cookie)), []byte(given))
}
