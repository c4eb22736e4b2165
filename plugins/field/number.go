package field

import "strings"

// Number is the number of a numeric field in the ABI. Numbers never change.
type Number uint32

const (
	Size       Number = 1 + iota // octets as announced, -1 if nobody said
	Date                         // seconds since 1970, -1 if there is none
	ReceivedAt                   // when the source got it, -1 if it does not say
	DKIM                         // 0 not known, 1 pass, 2 fail
	SPF
	DMARC
	Recipients // addresses in To and Cc
	HasListHeaders
	ABIMinor // minor version of the ABI
)

// Minor is the minor version of the ABI that this release speaks.
const Minor = 0

// Number gives a number; -1 for one that does not exist.
func (f *Facts) Number(id Number) int64 {
	if id > ABIMinor {
		return -1
	}
	if !f.counted[id] {
		f.numbers[id], f.counted[id] = f.count(id), true
	}
	return f.numbers[id]
}

func (f *Facts) count(id Number) int64 {
	switch id {
	case Size:
		return f.ref.Size
	case Date:
		if t, ok := f.h.Date(); ok {
			return t.Unix()
		}
	case ReceivedAt:
		if !f.ref.Date.IsZero() {
			return f.ref.Date.Unix()
		}
	case DKIM:
		return f.result("dkim")
	case SPF:
		return f.result("spf")
	case DMARC:
		return f.result("dmarc")
	case Recipients:
		return f.recipients()
	case HasListHeaders:
		for _, name := range []string{"List-Id", "List-Post", "List-Unsubscribe"} {
			if f.h.Count(name) > 0 {
				return 1
			}
		}
		return 0
	case ABIMinor:
		return Minor
	}
	return -1
}

func (f *Facts) recipients() (n int64) {
	for _, name := range []string{"To", "Cc"} {
		for value := range f.h.All(name) {
			if all, err := parser.ParseList(value); err == nil {
				n += int64(len(all))
			} else {
				n += int64(strings.Count(value, "@"))
			}
		}
	}
	return n
}

// result reads what a trusted server found out about a method (RFC 8601 2.2).
// Servers write above what was there, so the first that is trusted counts.
func (f *Facts) result(method string) int64 {
	if len(f.box.Authserv) == 0 {
		return 0
	}
	for value := range f.h.All("Authentication-Results") {
		server, results, _ := strings.Cut(uncommented(strings.ToLower(value)), ";")
		words := strings.Fields(server)
		if len(words) == 0 || !f.trusts(words[0]) {
			continue
		}
		for part := range strings.SplitSeq(results, ";") {
			name, rest, _ := strings.Cut(part, "=")
			if strings.TrimSpace(name) != method {
				continue
			}
			switch verdict, _, _ := strings.Cut(strings.TrimSpace(rest), " "); verdict {
			case "pass":
				return 1
			case "fail", "softfail", "permerror", "policy":
				return 2
			}
			return 0
		}
		return 0
	}
	return 0
}

func (f *Facts) trusts(server string) bool {
	for _, name := range f.box.Authserv {
		if strings.EqualFold(name, server) {
			return true
		}
	}
	return false
}

// uncommented takes comments out (RFC 5322 3.2.2): a "dkim=pass" in one is no result.
func uncommented(s string) string {
	if strings.IndexByte(s, '(') < 0 {
		return s
	}
	out, depth := make([]byte, 0, len(s)), 0
	for _, c := range []byte(s) {
		switch {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			out = append(out, c)
		}
	}
	return string(out)
}
