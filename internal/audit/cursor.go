package audit

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// ErrCursor: the cursor is none that a page of this user gave.
var ErrCursor = errors.New("audit: not a cursor")

// Cursors makes and reads cursors: where a page ended, with a keyed hash, so
// that nobody can make one up or use somebody else's.
type Cursors struct {
	// Hash is a keyed hash, of a kind of thing and a value.
	Hash func(what, value string) [32]byte
}

const (
	idSize   = len(id.Audit{})
	hashSize = 16
)

func (c Cursors) sign(user id.User, at id.Audit) []byte {
	h := c.Hash("audit_cursor", string(user[:])+string(at[:]))
	return append(at[:], h[:hashSize]...)
}

// Seal gives the cursor to what comes after the line at.
func (c Cursors) Seal(user id.User, at id.Audit) string {
	return base64.RawURLEncoding.EncodeToString(c.sign(user, at))
}

// Open gives the end that a cursor means: ids are below it. The empty cursor
// leaves before as it is.
func (c Cursors) Open(user id.User, cursor string, before id.Audit) (id.Audit, error) {
	if cursor == "" {
		return before, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != idSize+hashSize {
		return before, ErrCursor
	}
	at := id.Audit(b[:idSize])
	if !hmac.Equal(b, c.sign(user, at)) {
		return before, ErrCursor
	}
	if string(at[:]) < string(before[:]) {
		before = at
	}
	return before, nil
}

// Cut makes a page of the lines found, which are one more than limit if there
// are more to come.
func (c Cursors) Cut(user id.User, found []Entry, limit int) Page {
	if len(found) <= limit {
		return Page{Entries: found}
	}
	found = found[:limit]
	return Page{Entries: found, Next: c.Seal(user, found[limit-1].ID)}
}
