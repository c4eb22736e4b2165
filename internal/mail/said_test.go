package mail

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestRepeatedSecretsAreFoundInEveryForm(t *testing.T) {
	t.Parallel()
	secret := "correct horse"
	for _, before := range []string{"", "a", "ab", "\x00ann\x00", "\x00anna\x00", "\x00annab\x00"} {
		for _, after := range []string{"", "z", "\x01\x01"} {
			said := "cannot parse AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte(before+secret+after))
			if !Repeats(said, "ann", secret) {
				t.Errorf("%q is not found in %q", secret, said)
			}
		}
	}
	for said, want := range map[string]bool{
		"no: " + secret: true, "NO: " + strings.ToUpper(secret): true, "wrong password": false, "": false,
	} {
		if got := Repeats(said, "", secret); got != want {
			t.Errorf("Repeats(%q) = %v, want %v", said, got, want)
		}
	}
}
