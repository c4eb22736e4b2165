package config

import (
	"fmt"
	"os"
	"strings"
)

// maxFile bounds the configuration file and the file of a secret.
const maxFile = 1 << 20

// setting is one KEY=VALUE with where it was written.
type setting struct {
	value string
	where string // "" in the environment, else "line 7 of FILE"
}

// readFile reads a small regular file, which what names: the name itself may
// be a secret that was put into the wrong variable.
func readFile(name, what string) (string, *wrong) {
	info, err := os.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		return "", wrongf("name a file of at most 1 MiB", "%s is not a small regular file", what)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", wrongf("name a file that this user can read", "%s does not open", what)
	}
	return string(b), nil
}

// parseFile reads KEY=VALUE lines: # starts a comment at the start of a line
// or after a blank, 'single quotes' are literal, "double quotes" know \" and
// \\. Faults name the line and never what stands in it, because a line
// that cannot be read may be half a secret.
func parseFile(name, text string) (map[string]setting, Faults) {
	settings, faults := map[string]setting{}, Faults(nil)
	text = strings.TrimPrefix(text, "\ufeff")
	n := 0
	for line := range strings.Lines(text) {
		n++
		where := fmt.Sprintf("line %d of %s", n, quote(name))
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, rest, found := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if !found || !isName(key) {
			faults = append(faults, Fault{where, "is not a setting", "write " + Prefix + "NAME=value"})
			continue
		}
		value, w := unquote(strings.TrimSpace(rest))
		if w != nil {
			faults = append(faults, Fault{where, w.what, w.remedy})
			continue
		}
		if first, twice := settings[key]; twice {
			faults = append(faults, Fault{key, "is set on " + first.where + " and again on line " + fmt.Sprint(n), "remove one of them"})
			continue
		}
		settings[key] = setting{value, where}
	}
	return settings, faults
}

// isName reports whether s can be the name of a variable of ours.
func isName(s string) bool {
	name, ours := strings.CutPrefix(s, Prefix)
	return ours && name != "" && len(s) <= 100 && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// unquote takes the quotes and the comment off a value.
func unquote(s string) (string, *wrong) {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		for i := range len(s) {
			if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
				return strings.TrimSpace(s[:i]), nil
			}
		}
		return s, nil
	}
	var value strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			if rest := strings.TrimSpace(s[i+1:]); rest != "" && rest[0] != '#' {
				return "", &wrong{"has text after the closing quote", "put the whole value into the quotes"}
			}
			return value.String(), nil
		case c == '\\' && s[0] == '"' && i+1 < len(s):
			i++
			if s[i] != '"' && s[i] != '\\' {
				return "", &wrong{"has an unknown escape in double quotes", `use \" or \\, or single quotes`}
			}
			value.WriteByte(s[i])
		default:
			value.WriteByte(c)
		}
	}
	return "", &wrong{"has no closing quote", "close the quotes on the same line"}
}
