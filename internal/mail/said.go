package mail

import (
	"encoding/base64"
	"strings"
)

// Repeats reports whether a text repeats one of the secrets: as it is, whatever
// the case, or in any of the forms that base64 gives it within a longer message
// (SASL sends "\0user\0password").
func Repeats(text string, secrets ...string) bool {
	lower := strings.ToLower(text)
	for _, s := range secrets {
		if s == "" {
			continue
		}
		if strings.Contains(lower, strings.ToLower(s)) {
			return true
		}
		for before := range 3 { // octets that share the first group with it
			coded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + s))
			// What depends on the neighbours is left out at both ends.
			first := (8*before + 5) / 6
			last := 8 * (before + len(s)) / 6
			if last-first >= 4 && strings.Contains(text, coded[first:last]) {
				return true
			}
		}
	}
	return false
}
