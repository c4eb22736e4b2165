package server

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// signer makes marks that only we can make.
type signer struct{ key vault.Secret }

// Labels of keys. They never change.
const (
	labelCursor  = "smtp-sync/server/cursor/v1"
	labelVersion = "smtp-sync/server/version/v1"
)

func newSigner(master vault.Secret, label string) signer {
	k, err := hkdf.Key(sha256.New, master.Reveal(), nil, label, 32)
	if err != nil {
		panic("server: " + err.Error()) // only for lengths that SHA-256 has not
	}
	return signer{vault.NewSecret(k)}
}

const markSize = 16

// mark is over all parts, each with its length: no two lists of parts give the
// same octets.
func (s signer) mark(parts ...string) []byte {
	m := hmac.New(sha256.New, s.key.Reveal())
	for _, p := range parts {
		_ = binary.Write(m, binary.BigEndian, uint64(len(p)))
		m.Write([]byte(p))
	}
	return m.Sum(nil)[:markSize]
}

// cursor makes a position opaque, and good for this user's list with this
// filter alone.
func (c *call) cursor(position string, filter ...string) string {
	if position == "" {
		return ""
	}
	mark := c.s.cursors.mark(append([]string{c.route.id, c.who.user.String(), position}, filter...)...)
	return base64.RawURLEncoding.EncodeToString(append(mark, position...))
}

// position opens the cursor of a request; "" is the beginning.
func (c *call) position(filter ...string) (string, error) {
	given := c.Query("cursor")
	if given == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(given)
	if err != nil || len(b) < markSize {
		return "", api.ErrCursor
	}
	position := string(b[markSize:])
	if !hmac.Equal(b[:markSize], c.s.cursors.mark(append([]string{c.route.id, c.who.user.String(), position}, filter...)...)) {
		return "", api.ErrCursor
	}
	return position, nil
}

// unmet reports whether If-Match is there and does not name the version.
func (c *call) unmet(version string) bool {
	given := c.Get("If-Match")
	if given == "" {
		return false
	}
	for tag := range strings.SplitSeq(given, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == version {
			return false
		}
	}
	return true
}
