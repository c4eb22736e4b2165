package telemetry

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// longest is how many runes of a text are written.
const longest = 500

// text asks an error or a Stringer for its text, and takes a string of a named
// type such as mail.Status. One that panics, as a typed nil does, has none.
func (h *handler) text(v any) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	switch v := v.(type) {
	case error:
		if h.chains {
			return chain(v), true
		}
		return v.Error(), true
	case fmt.Stringer:
		return v.String(), true
	}
	if s := reflect.ValueOf(v); s.Kind() == reflect.String {
		return s.String(), true
	}
	return "", false
}

// chain is the error's text and those of the errors it wraps which it does not
// already quote.
func chain(err error) string {
	text := err.Error()
	for range 10 { // a chain that goes in circles has no end
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			break
		}
		if err = u.Unwrap(); err == nil {
			break
		}
		if cause := err.Error(); !strings.Contains(text, cause) {
			text += " (" + cause + ")"
		}
	}
	return text
}

// sanitise makes one line of printable text: no control characters, no
// bidirectional or other invisible formatting, no broken UTF-8.
func sanitise(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s { // broken octets arrive as U+FFFD
		if n++; n > longest {
			b.WriteRune('…')
			break
		}
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			b.WriteByte(' ')
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
