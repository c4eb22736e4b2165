package manifest

import (
	"bytes"
	"crypto/sha256"
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

// Type is the type of a setting.
type Type string

// The types there are. Lists are JSON arrays of strings; a size is octets or a
// text such as "25MB".
const (
	TextType    Type = "text"
	BoolType    Type = "bool"
	IntType     Type = "int"
	ChoiceType  Type = "choice"
	DomainList  Type = "domain-list"
	AddressList Type = "address-list"
	LabelType   Type = "label"
	RegexType   Type = "regex"
	SizeType    Type = "bytes-size"
)

const (
	MaxConfig   = 64 << 10 // octets of all values, as a plugin sees them
	MaxLabel    = 100      // octets
	maxItems    = 10_000
	maxPattern  = 500 // octets of a regular expression
	maxProgram  = 500 // its instructions: what a run costs is their number times the octets looked at
	defaultText = 1000
)

// Setting is one parameter of a plugin.
type Setting struct {
	Key      string          `json:"key"`
	Type     Type            `json:"type"`
	Title    Text            `json:"title"`
	Help     Text            `json:"help"`
	Required bool            `json:"required"`
	Values   []string        `json:"values"`  // of a choice
	Max      int             `json:"max"`     // entries of a list, characters of a text; 0: what is allowed
	Default  json.RawMessage `json:"default"` // a value as a user would give it
}

func (s *Setting) check(faults *Faults) {
	place := "config." + s.Key
	if !validKey.MatchString(s.Key) {
		faults.add("config", "use lower-case letters, digits and underscores, at most 32", "has a setting with the key %q", s.Key)
	}
	s.Title.check(place+".title", false, faults)
	s.Help.check(place+".help", false, faults)
	switch s.Type {
	case TextType, BoolType, IntType, DomainList, AddressList, LabelType, RegexType, SizeType:
	case ChoiceType:
		if len(s.Values) == 0 || len(s.Values) > 100 {
			faults.add(place+".values", "list 1 to 100 values", "has %d values", len(s.Values))
		}
	default:
		faults.add(place+".type", "use text, bool, int, choice, domain-list, address-list, label, regex or bytes-size", "is %q", s.Type)
		return
	}
	if s.Max < 0 || s.Max > maxItems {
		faults.add(place+".max", fmt.Sprintf("use 1 to %d", maxItems), "is %d", s.Max)
	}
	if len(s.Default) > 0 {
		s.parse(s.Default, &value{}, faults)
	}
}

// Config are the values of one rule, checked and in the one form that
// plugins see.
type Config struct {
	Digest [sha256.Size]byte // of all values: equal ones give equal digests
	values map[string]*value
}

type value struct {
	typ     Type
	text    string // what config() gives
	set     map[string]struct{}
	pattern *regexp.Regexp
	program int // instructions of the pattern
}

// Resolve checks values, a JSON object by key, against the settings; its error
// is Faults.
func (m *Manifest) Resolve(values json.RawMessage) (*Config, error) {
	var faults Faults
	given := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(values)) > 0 {
		if err := json.Unmarshal(values, &given); err != nil {
			faults.add("config", "send an object with a value for each setting", "is no JSON object")
			return nil, faults
		}
	}
	c := &Config{values: map[string]*value{}}
	total := 0
	for i := range m.Config {
		s := &m.Config[i]
		raw, found := given[s.Key]
		delete(given, s.Key)
		if !found || string(raw) == "null" {
			raw = s.Default
		}
		if len(raw) == 0 {
			if s.Required {
				faults.add("config."+s.Key, "give it a value", "is missing")
			}
			continue
		}
		v := &value{typ: s.Type}
		s.parse(raw, v, &faults)
		c.values[s.Key] = v
		total += len(v.text)
	}
	for key := range given {
		faults.add("config."+printable(key), "leave it out", "is no setting of this plugin")
	}
	if total > MaxConfig {
		faults.add("config", "shorten the lists", "has %d octets, at most %d are allowed", total, MaxConfig)
	}
	if len(faults) > 0 {
		slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Place, b.Place) })
		return nil, faults
	}
	c.Digest = m.digest(c)
	return c, nil
}

func (m *Manifest) digest(c *Config) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, s := range m.Config {
		if v := c.values[s.Key]; v != nil {
			fmt.Fprintf(h, "%s %d %s\n", s.Key, len(v.text), v.text)
		}
	}
	h.Sum(sum[:0])
	return sum
}

// Text is what config() gives a plugin: lists joined by line feeds.
func (c *Config) Text(key string) (text string, found bool) {
	if v := c.values[key]; v != nil {
		return v.text, true
	}
	return "", false
}

// Holds reports whether a list has an entry: a domain list also for what is
// below an entry. The second value is false if there is no such list.
func (c *Config) Holds(key, entry string) (held, list bool) {
	v := c.values[key]
	if v == nil || v.typ != DomainList && v.typ != AddressList {
		return false, false
	}
	for v.typ == DomainList {
		if _, held = v.set[entry]; held {
			return true, true
		}
		var below bool
		if _, entry, below = strings.Cut(entry, "."); !below {
			return false, true
		}
	}
	_, held = v.set[entry]
	return held, true
}

// Pattern gives the expression of a regex setting and the number of
// instructions that it takes at most for each octet; nil if there is none.
func (c *Config) Pattern(key string) (pattern *regexp.Regexp, program int) {
	if v := c.values[key]; v != nil {
		return v.pattern, v.program
	}
	return nil, 0
}

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
