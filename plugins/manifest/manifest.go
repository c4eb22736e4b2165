// Package manifest says what a plugin is, what it may see and do, and which
// settings it takes: a JSON document of at most 16 kB in the custom section
// smtpsync.manifest of its module, read without running any of its code.
//
// A manifest grants the least: a field, a header, a verdict that is not in
// Needs does not exist for the plugin. Settings have types of a closed set, so
// that forms are made from them and values checked before a plugin sees them.
// What is wrong with a manifest or with a value is a list of [Fault], each
// with its place and its cure.
package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/plugins/field"
)

// ABI is the version that manifests name.
const ABI = "smtpsync_v1"

// Limits of every plugin, and what it gets that asks for nothing.
const (
	MaxPages     = 256 // of 64 KiB
	DefaultPages = 16
	MaxFuel      = 10_000_000 // for one message, with DefaultPages or less
	BigFuel      = 2_000_000  // with more
	InitFuel     = 50_000_000 // for _initialize and configure_v1

	maxText    = 300 // runes of a title, description or reason
	maxHeaders = 16
	maxConfig  = 32
	maxReasons = 256
)

// Verdict bits of the ABI, by the names that manifests use.
const (
	Skip uint64 = 1 << iota
	Archive
	Star
	Important
	Read
	NeverSpam
	Spam
)

var verdicts = map[string]uint64{
	"skip": Skip, "archive": Archive, "star": Star, "important": Important,
	"read": Read, "never_spam": NeverSpam, "spam": Spam,
}

// Verdicts names the bits of a verdict, the lowest first.
func Verdicts(bits uint64) (names []string) {
	for bit := Skip; bit <= Spam; bit <<= 1 {
		for name, b := range verdicts {
			if b == bit && bits&bit != 0 {
				names = append(names, name)
			}
		}
	}
	return names
}

// Manifest is what the document says.
type Manifest struct {
	ABI         string            `json:"abi"`
	Name        string            `json:"name"`    // lower-case letters, digits, hyphens
	Version     string            `json:"version"` // of the plugin, three numbers
	Title       Text              `json:"title"`
	Description Text              `json:"description"`
	Needs       Needs             `json:"needs"`
	Config      []Setting         `json:"config"`
	Reasons     map[string]string `json:"reasons"` // by number, 1 to 65535
	Limits      Limits            `json:"limits"`
}

// Text is a text by language; English ("en") is always there.
type Text map[string]string

// Needs is what the plugin may see and do.
type Needs struct {
	Fields   []string `json:"fields"`
	Headers  []string `json:"headers"`
	Verdicts []string `json:"verdicts"`
	Labels   bool     `json:"labels"`
}

// Limits is what the plugin asks for; 0 is the default.
type Limits struct {
	MemoryPages uint32 `json:"memory_pages"`
	Fuel        int64  `json:"fuel"`
}

// Fault is one thing that is wrong with a manifest or a value.
type Fault struct {
	Place string `json:"place"` // "needs.fields", "config.domains"
	Text  string `json:"text"`
	Help  string `json:"help"`
}

// Faults are all of them at once.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for _, one := range f {
		lines = append(lines, fmt.Sprintf("%s: %s: %s", one.Place, one.Text, one.Help))
	}
	return strings.Join(lines, "\n")
}

func (f *Faults) add(place, help, format string, args ...any) {
	*f = append(*f, Fault{place, fmt.Sprintf(format, args...), help})
}

var (
	validName    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	validVersion = regexp.MustCompile(`^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}$`)
	validKey     = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	validHeader  = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	validLang    = regexp.MustCompile(`^[a-z]{2}(-[A-Z]{2})?$`)
)

const helpPack = "write a manifest and put it in with `smtp-sync plugin pack`"

// Parse reads a manifest; its error is Faults.
func Parse(document []byte) (*Manifest, error) {
	var faults Faults
	if len(document) == 0 {
		faults.add("manifest", helpPack, "is missing")
		return nil, faults
	}
	m := &Manifest{}
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil || d.More() {
		faults.add("manifest", "see the example in the documentation for plugin authors", "is not the JSON it should be (%v)", err)
		return nil, faults
	}
	m.check(&faults)
	if len(faults) > 0 {
		return nil, faults
	}
	m.Limits.MemoryPages = cmpOr(m.Limits.MemoryPages, DefaultPages)
	m.Limits.Fuel = cmpOr(m.Limits.Fuel, MostFuel(m.Limits.MemoryPages))
	return m, nil
}

// MostFuel is what a plugin may have for one message. One whose memory does not
// fit into a processor's cache can wait for it at every instruction; it gets less,
// so that its fuel takes no longer (see the prices in package gate).
func MostFuel(pages uint32) int64 {
	if pages > DefaultPages {
		return BigFuel
	}
	return MaxFuel
}

func cmpOr[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (m *Manifest) check(faults *Faults) {
	if m.ABI != ABI {
		faults.add("abi", "build for "+ABI, "is %q, which this release does not speak", m.ABI)
	}
	if !validName.MatchString(m.Name) || len(m.Name) > 63 {
		faults.add("name", "use lower-case letters, digits and hyphens, at most 63", "is %q", m.Name)
	}
	if !validVersion.MatchString(m.Version) {
		faults.add("version", "use three numbers, such as 1.0.0", "is %q", m.Version)
	}
	m.Title.check("title", true, faults)
	m.Description.check("description", false, faults)
	m.Needs.check(faults)
	if len(m.Config) > maxConfig {
		faults.add("config", "leave some out", "has %d settings, at most %d are allowed", len(m.Config), maxConfig)
	}
	seen := map[string]bool{}
	for i := range m.Config {
		s := &m.Config[i]
		if seen[s.Key] {
			faults.add("config."+s.Key, "name each setting once", "comes twice")
		}
		seen[s.Key] = true
		s.check(faults)
	}
	if len(m.Reasons) > maxReasons {
		faults.add("reasons", "leave some out", "has %d, at most %d are allowed", len(m.Reasons), maxReasons)
	}
	for number, text := range m.Reasons {
		if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 {
			faults.add("reasons."+number, "use the numbers 1 to 65535", "is no reason number")
		}
		checkText("reasons."+number, text, faults)
	}
	if m.Limits.MemoryPages > MaxPages {
		faults.add("limits.memory_pages", "ask for less", "is %d, at most %d are allowed", m.Limits.MemoryPages, MaxPages)
	}
	if most := MostFuel(m.Limits.MemoryPages); m.Limits.Fuel < 0 || m.Limits.Fuel > most {
		faults.add("limits.fuel", "ask for less", "is %d, at most %d are allowed with its memory", m.Limits.Fuel, most)
	}
}

func (t Text) check(place string, required bool, faults *Faults) {
	if required && t["en"] == "" {
		faults.add(place, `give it in English at least: {"en": "…"}`, "is missing")
	}
	for lang, text := range t {
		if !validLang.MatchString(lang) {
			faults.add(place, `use codes such as "en" or "de"`, "is in the language %q", lang)
		}
		checkText(place+"."+lang, text, faults)
	}
}

func checkText(place, text string, faults *Faults) {
	if utf8.RuneCountInString(text) > maxText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		faults.add(place, fmt.Sprintf("use at most %d characters on one line", maxText), "is too long or not plain text")
	}
}

func (n *Needs) check(faults *Faults) {
	for _, name := range n.Fields {
		if field.Named(name) == 0 {
			faults.add("needs.fields", "see the list of fields in the documentation for plugin authors", "asks for %q, which does not exist", name)
		}
	}
	for _, name := range n.Headers {
		if !validHeader.MatchString(name) {
			faults.add("needs.headers", "use the name of a header field, without colon", "asks for %q", name)
		}
	}
	if len(n.Headers) > maxHeaders {
		faults.add("needs.headers", "ask for what the rule looks at", "asks for %d, at most %d are allowed", len(n.Headers), maxHeaders)
	}
	for _, name := range n.Verdicts {
		if verdicts[name] == 0 {
			faults.add("needs.verdicts", "use skip, archive, star, important, read, never_spam, spam", "asks for %q, which does not exist", name)
		}
	}
}

// MaySee reports whether the plugin may read a field.
func (n *Needs) MaySee(id field.ID) bool { return slices.Contains(n.Fields, id.String()) }

// MayRead reports whether it may read header fields of that name.
func (n *Needs) MayRead(header string) bool {
	return slices.ContainsFunc(n.Headers, func(granted string) bool { return strings.EqualFold(granted, header) })
}

// May gives the verdict bits that it may set.
func (n *Needs) May() (bits uint64) {
	for _, name := range n.Verdicts {
		bits |= verdicts[name]
	}
	return bits
}
