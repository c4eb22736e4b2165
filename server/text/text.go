package text

import (
	_ "embed"
	"fmt"
	"iter"
	"strings"
)

//go:embed en.txt
var english string

var catalog = parse(english)

// parse reads a catalog. It is in the binary, so what is wrong with it panics.
func parse(in string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(in) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, " = ")
		if _, twice := out[key]; !ok || twice || value == "" {
			panic("text: not a line of a catalog, or one that is there twice: " + line)
		}
		out[key] = value
	}
	return out
}

// Keys yields every key of the catalog; a plural has two.
func Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range catalog {
			if !yield(k) {
				return
			}
		}
	}
}

// T gives the text of a key with its placeholders filled: name, value, name,
// value. It panics where Say gives an error.
func T(key string, pairs ...any) string {
	s, err := Say(key, pairs...)
	if err != nil {
		panic(err)
	}
	return s
}

// Say is T for pages.
func Say(key string, pairs ...any) (string, error) {
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("text: %s: a placeholder without a value", key)
	}
	chosen := key
	var fill []string
	for i := 0; i < len(pairs); i += 2 {
		name, value := fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1])
		if _, plain := catalog[key]; name == "n" && !plain {
			chosen = key + plural(value)
		}
		fill = append(fill, "{"+name+"}", value)
	}
	text, found := catalog[chosen]
	if !found {
		return "", fmt.Errorf("text: there is no %q", key)
	}
	for i := 0; i < len(fill); i += 2 {
		if !strings.Contains(text, fill[i]) && chosen == key {
			return "", fmt.Errorf("text: %q has no %s", key, fill[i])
		}
	}
	return strings.NewReplacer(fill...).Replace(text), nil
}

// plural chooses in English.
func plural(n string) string {
	if n == "1" {
		return ".one"
	}
	return ".other"
}

// List gives the texts family.name.1, family.name.2, … as far as there are any.
func List(family, name string) (out []string) {
	for {
		s, ok := catalog[fmt.Sprintf("%s.%s.%d", family, name, len(out)+1)]
		if !ok {
			return out
		}
		out = append(out, s)
	}
}

// Word gives the text for a value of a closed set, such as a state. What has no
// text is shown as it is.
func Word(family string, value any) string {
	v := fmt.Sprint(value)
	if s, ok := catalog[family+"."+v]; ok {
		return s
	}
	return v
}
