package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
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
