package risc

import (
	"crypto/sha512"
	"encoding/base64"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// prefixLength is how many characters of a refresh token an event may name.
const prefixLength = 16

// Marks gives the two names under which an event may speak of a refresh token.
// Whoever keeps a grant keeps a keyed hash of each, to find it by the Mark in an
// Event: the token itself is sealed. They are secrets: one is a piece of it.
func Marks(refresh vault.Secret) []vault.Secret {
	t := refresh.Reveal()
	once := sha512.Sum512(t)
	twice := sha512.Sum512(once[:])
	return []vault.Secret{hashMark(twice[:]), prefixMark(string(t[:min(prefixLength, len(t))]))}
}

// Matches reports whether the event is about this refresh token.
func (e Event) Matches(refresh vault.Secret) bool {
	for _, m := range Marks(refresh) {
		if !e.Token.Empty() && m.Equal(e.Token) {
			return true
		}
	}
	return false
}

// markOf brings an event's name for a token into the form of Marks.
func markOf(algorithm, value string) (vault.Secret, bool) {
	switch algorithm {
	case "prefix":
		return prefixMark(value), len(value) == prefixLength
	case "hash_base64_sha512_sha512":
		// Which of the two alphabets, and whether with padding, is not said.
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(value, "="))
		sum, err := base64.RawStdEncoding.DecodeString(plain)
		return hashMark(sum), err == nil && len(sum) == sha512.Size
	}
	return vault.Secret{}, false
}

func prefixMark(s string) vault.Secret { return vault.NewSecret("prefix " + s) }

func hashMark(sum []byte) vault.Secret {
	return vault.NewSecret("sha512 " + base64.StdEncoding.EncodeToString(sum))
}
