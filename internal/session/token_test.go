package session

import (
	"bytes"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestNoTokenStandsForMoreOctetsThanThereAre(t *testing.T) {
	t.Parallel()
	last := tokenText(bytes.Repeat([]byte{0xff}, secretSize))
	if !IsToken(vault.NewSecret(last)) || !IsToken(vault.NewSecret(tokenText(make([]byte, secretSize)))) {
		t.Error("the first or the last of all tokens was refused")
	}
	next := []byte(last[:len(tokenPrefix)+octetDigits])
	next[len(next)-1]++
	for _, body := range []string{string(next), tokenPrefix + strings.Repeat("z", octetDigits), tokenPrefix + strings.Repeat("0", octetDigits-1) + "-"} {
		if text := body + check(body); IsToken(vault.NewSecret(text)) {
			t.Errorf("%s was accepted", text)
		}
	}
}
