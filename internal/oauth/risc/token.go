package risc

import (
	"crypto/sha512"
	"encoding/base64"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Matches reports whether the event is about this refresh token.
func (e Event) Matches(refresh vault.Secret) bool {
	for _, m := range account.TokenMarks(refresh) {
		if !e.Token.Empty() && m.Equal(e.Token) {
			return true
		}
	}
	return false
}

// markOf brings an event's name for a token into the form of account.TokenMarks.
func markOf(algorithm, value string) (vault.Secret, bool) {
	switch algorithm {
	case "prefix":
		return account.PrefixMark(value), len(value) == account.MarkPrefix
	case "hash_base64_sha512_sha512":
		// Which of the two alphabets, and whether with padding, is not said.
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(value, "="))
		sum, err := base64.RawStdEncoding.DecodeString(plain)
		return account.HashMark(sum), err == nil && len(sum) == sha512.Size
	}
	return vault.Secret{}, false
}
