package vault_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

const canary = "c4narySECRETc4nary"

// shown reports whether s holds the canary in any of the ways that printers write octets.
func shown(s string) bool {
	octets := make([]string, len(canary))
	for i, c := range []byte(canary) {
		octets[i] = fmt.Sprint(c)
	}
	for _, form := range []string{
		canary, hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary))),
		strings.Join(octets, " "), strings.Join(octets, ","), strings.Join(octets, ", "), "0x63, 0x34",
	} {
		if strings.Contains(s, form) {
			return true
		}
	}
	return false
}

type holder struct {
	Name   string
	Secret vault.Secret
	hidden vault.Secret
	ptr    *vault.Secret
}

// holders are all the ways in which a secret may be at hand when something is printed.
func holders() map[string]any {
	s := vault.NewSecret(canary)
	h := holder{"x", s, s, &s}
	return map[string]any{
		"value": s, "pointer": &s, "slice": []vault.Secret{s}, "array": [1]vault.Secret{s},
		"map": map[string]vault.Secret{"k": s}, "struct": h, "struct pointer": &h,
		"slice of structs": []holder{h}, "map of pointers": map[string]*holder{"k": &h},
		"interface": []any{s, &s, h}, "error": fmt.Errorf("login with %v: %w", s, errors.New("no")),
		"any map": map[string]any{"k": h},
	}
}

func TestNoVerbPrintsASecret(t *testing.T) {
	t.Parallel()
	if !shown(fmt.Sprintf("%#v", []byte(canary))) || !shown(fmt.Sprintf("%d", []byte(canary))) || !shown(fmt.Sprintf("%x", canary)) {
		t.Fatal("the test does not know a printed secret when it sees one")
	}
	for name, v := range holders() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%c", "%U", "%b", "%o", "%t", "%e", "%p", "%T", "%w", "%10.3s", "%y"} {
			if got := fmt.Sprintf(verb, v); shown(got) {
				t.Errorf("%s of %s prints the secret: %s", verb, name, got)
			}
		}
		if got := fmt.Sprint(v) + fmt.Sprintln(v) + fmt.Errorf("x: %v", v).Error(); shown(got) {
			t.Errorf("Sprint, Sprintln or Errorf of %s prints the secret", name)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%c"} {
		if got := fmt.Sprintf(verb, vault.NewSecret(canary)); got != "[secret]" {
			t.Errorf("a secret prints as %q with %s", got, verb)
		}
	}
}

func TestNoLogPrintsASecret(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		var text, js bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		if shown(text.String()) || shown(js.String()) {
			t.Errorf("slog of %s prints the secret: %s %s", name, &text, &js)
		}
	}
}

func TestNoEncoderWritesASecret(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		js, err := json.Marshal(v)
		if shown(string(js)) || err != nil && shown(err.Error()) {
			t.Errorf("JSON of %s holds the secret: %s %v", name, js, err)
		}
		x, err := xml.Marshal(v)
		if shown(string(x)) || err != nil && shown(err.Error()) {
			t.Errorf("XML of %s holds the secret: %s %v", name, x, err)
		}
		var g bytes.Buffer
		err = gob.NewEncoder(&g).Encode(v)
		if shown(g.String()) || err != nil && shown(err.Error()) {
			t.Errorf("gob of %s holds the secret: %q %v", name, &g, err)
		}
		var page bytes.Buffer
		err = template.Must(template.New("").Parse("{{.}} {{printf `%q %x` . .}}")).Execute(&page, v)
		if shown(page.String()) || err != nil && shown(err.Error()) {
			t.Errorf("a template with %s shows the secret: %s %v", name, &page, err)
		}
	}
	if _, err := json.Marshal(vault.NewSecret(canary)); err == nil {
		t.Error("a secret was marshalled without an error")
	}
}

func TestASecretIsACopy(t *testing.T) {
	t.Parallel()
	b := []byte(canary)
	s := vault.NewSecret(b)
	clear(b)
	if s.RevealString() != canary || string(s.Reveal()) != canary {
		t.Errorf("secret = %q, want the octets it was made of", s.Reveal())
	}
	var zero vault.Secret
	if !zero.Empty() || zero.RevealString() != "" || s.Empty() {
		t.Error("Empty does not tell an empty secret from a full one")
	}
	if !s.Equal(vault.NewSecret(canary)) || s.Equal(zero) || s.Equal(vault.NewSecret(canary+"x")) || !zero.Equal(vault.NewSecret("")) {
		t.Error("Equal does not compare the octets")
	}
}
