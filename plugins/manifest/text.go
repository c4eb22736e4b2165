package manifest

import (
	"encoding/json"
	"strings"
)

// FromText makes values of texts such as a command line has them, each
// key=value. The entries of a list are separated by commas or given one after
// the other. The values are not checked but by [Manifest.Resolve]; the error is
// Faults.
func (m *Manifest) FromText(pairs []string) (json.RawMessage, error) {
	var faults Faults
	values := map[string]any{}
	for _, pair := range pairs {
		key, text, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			faults.add("config", "write key=value", "has %s", printable(pair))
			continue
		}
		list, isList := values[key].([]string)
		switch before := values[key]; {
		case m.typeOf(key) == DomainList || m.typeOf(key) == AddressList:
			values[key] = append(list, entries(text)...)
		case before != nil && !isList:
			faults.add("config."+printable(key), "give it once", "comes twice")
		case m.typeOf(key) == BoolType || m.typeOf(key) == IntType:
			values[key] = word(text)
		default:
			values[key] = text
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	document, err := json.Marshal(values)
	if err != nil {
		panic("manifest: " + err.Error()) // texts, numbers and words
	}
	return document, nil
}

func (m *Manifest) typeOf(key string) Type {
	for i := range m.Config {
		if m.Config[i].Key == key {
			return m.Config[i].Type
		}
	}
	return ""
}

func entries(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}

// word is a number or true or false as JSON has it; what is neither stays a
// text, so that it is refused with its place.
func word(text string) any {
	if raw := json.RawMessage(text); json.Valid(raw) {
		return raw
	}
	return text
}
