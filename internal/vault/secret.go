package vault

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Secret is cleartext that no formatting verb, JSON encoder or logger can
// print. The octets live behind a closure because fmt prints unexported
// fields of any struct that holds them. The zero Secret is empty.
type Secret struct{ open func() []byte }

// NewSecret wraps a copy of b.
func NewSecret[T ~string | ~[]byte](b T) Secret {
	c := append([]byte(nil), b...) // a conversion would copy only a string
	return Secret{open: func() []byte { return c }}
}

// Reveal gives the octets, not to be kept or changed.
func (s Secret) Reveal() []byte {
	if s.open == nil {
		return nil
	}
	return s.open()
}

// RevealString gives the octets as a string, for interfaces that take one.
func (s Secret) RevealString() string { return string(s.Reveal()) }

// Empty reports whether there is nothing in it.
func (s Secret) Empty() bool { return len(s.Reveal()) == 0 }

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare(s.Reveal(), o.Reveal()) == 1
}

const redacted = "[secret]"

func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }
func (Secret) String() string             { return redacted }
func (Secret) GoString() string           { return redacted }
func (Secret) LogValue() slog.Value       { return slog.StringValue(redacted) }
func (Secret) MarshalJSON() ([]byte, error) {
	return nil, errors.New("vault: a secret is never marshalled")
}
func (Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("vault: a secret is never marshalled")
}
