package manifest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/plugins/field"
)

// parse turns a JSON value into one of the setting's type.
func (s *Setting) parse(raw json.RawMessage, v *value, faults *Faults) {
	place := "config." + s.Key
	switch s.Type {
	case BoolType:
		var b bool
		if json.Unmarshal(raw, &b) != nil {
			faults.add(place, "use true or false", "is neither")
		}
		v.text = strconv.FormatBool(b)
	case IntType:
		var n int64
		if json.Unmarshal(raw, &n) != nil {
			faults.add(place, "use a whole number", "is none")
		}
		v.text = strconv.FormatInt(n, 10)
	case SizeType:
		n, ok := size(raw)
		if !ok {
			faults.add(place, `use octets, or a text such as "25MB"`, "is no size")
		}
		v.text = strconv.FormatInt(n, 10)
	case DomainList, AddressList:
		s.list(raw, v, faults)
	default:
		if json.Unmarshal(raw, &v.text) != nil {
			faults.add(place, "use a text", "is none")
			return
		}
		s.text(v, faults)
	}
}

// text checks what is given as one text.
func (s *Setting) text(v *value, faults *Faults) {
	place := "config." + s.Key
	switch s.Type {
	case ChoiceType:
		if !slices.Contains(s.Values, v.text) {
			faults.add(place, "use one of "+strings.Join(s.Values, ", "), "is %s", printable(v.text))
		}
	case LabelType:
		if !ValidLabel(v.text) {
			faults.add(place, fmt.Sprintf("use at most %d octets of plain text", MaxLabel), "is no label")
		}
	case RegexType:
		s.pattern(v, faults)
	default:
		if most := cmpOr(s.Max, defaultText); utf8.RuneCountInString(v.text) > most || strings.ContainsFunc(v.text, unicode.IsControl) {
			faults.add(place, fmt.Sprintf("use at most %d characters on one line", most), "is too long or not plain text")
		}
	}
}

// ValidLabel reports whether a text can be the name of a Gmail label.
func ValidLabel(s string) bool {
	return s != "" && len(s) <= MaxLabel && utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, unicode.IsControl)
}

// pattern compiles an expression. Go's take linear time; what remains to be
// bounded is the factor.
func (s *Setting) pattern(v *value, faults *Faults) {
	place := "config." + s.Key
	if len(v.text) > maxPattern {
		faults.add(place, "shorten it", "has %d octets, at most %d are allowed", len(v.text), maxPattern)
		return
	}
	parsed, err := syntax.Parse(v.text, syntax.Perl)
	if err != nil {
		faults.add(place, "see the syntax of RE2; there are no look-arounds and no back-references", "is no regular expression")
		return
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxProgram {
		faults.add(place, "use smaller repetitions", "is too large once its repetitions are written out")
		return
	}
	v.program = len(program.Inst)
	v.pattern, err = regexp.Compile(v.text)
	if err != nil {
		faults.add(place, "see the syntax of RE2", "is no regular expression")
	}
}

// list reads a list of domains or addresses into their one form.
func (s *Setting) list(raw json.RawMessage, v *value, faults *Faults) {
	place := "config." + s.Key
	var entries []string
	if json.Unmarshal(raw, &entries) != nil {
		faults.add(place, "use a list of texts", "is none")
		return
	}
	if most := cmpOr(s.Max, maxItems); len(entries) > most {
		faults.add(place, "leave some out", "has %d entries, at most %d are allowed", len(entries), most)
		return
	}
	v.set = make(map[string]struct{}, len(entries))
	kept := entries[:0]
	for i, entry := range entries {
		normal := field.Domain(strings.TrimPrefix(strings.TrimSpace(entry), "@"))
		if s.Type == AddressList {
			normal = field.Address(entry)
		}
		if normal == "" {
			faults.add(fmt.Sprintf("%s.%d", place, i), "use example.org for domains, someone@example.org for addresses", "is %s", printable(entry))
			continue
		}
		if _, twice := v.set[normal]; !twice {
			v.set[normal] = struct{}{}
			kept = append(kept, normal)
		}
	}
	v.text = strings.Join(kept, "\n")
}

var units = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

func size(raw json.RawMessage) (int64, bool) {
	var n int64
	if json.Unmarshal(raw, &n) == nil {
		return n, n >= 0
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0, false
	}
	for _, u := range units {
		if digits, ok := strings.CutSuffix(text, u.suffix); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			return n * u.factor, err == nil && n >= 0 && n <= 1<<40/u.factor
		}
	}
	return 0, false
}

// printable cuts a value short for an error that its user reads.
func printable(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return strconv.Quote(s)
}
