package account

import (
	"crypto/sha512"
	"encoding/base64"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// MarkPrefix is how many characters of a refresh token Google may name it by.
const MarkPrefix = 16

// TokenMarks gives the two names under which Google may speak of a refresh
// token (Cross-Account Protection, "token-revoked"). Whoever keeps a grant keeps
// a keyed hash of each, to find it again: the token itself is sealed. They are
// secrets: one is a piece of it.
func TokenMarks(refresh vault.Secret) []vault.Secret {
	t := refresh.Reveal()
	once := sha512.Sum512(t)
	twice := sha512.Sum512(once[:])
	return []vault.Secret{HashMark(twice[:]), PrefixMark(string(t[:min(MarkPrefix, len(t))]))}
}

// PrefixMark is the mark of a token with these first characters.
func PrefixMark(s string) vault.Secret { return vault.NewSecret("prefix " + s) }

// HashMark is the mark of a token with this double SHA-512.
func HashMark(sum []byte) vault.Secret {
	return vault.NewSecret("sha512 " + base64.StdEncoding.EncodeToString(sum))
}
