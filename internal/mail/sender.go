package mail

import (
	"bytes"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// What SenderDomain says where there is no domain to name.
const (
	DomainUnknown = "unknown"       // no address anywhere
	DomainBounce  = "mailer-daemon" // the null return path of a delivery report
	DomainInvalid = "invalid"       // an address whose domain cannot exist
)

const maxDomain = 253 // RFC 1035 2.3.4, in its text form

// SenderDomain gives the domain of the author's address in its ASCII form,
// and whether the header names more than one author. The domain consists of
// a-z, 0-9, dots and hyphens, or is an address literal in brackets, or one of
// the Domain words above; it may be logged.
//
// It is what a rule or an audit line is about, so it must not be fooled: an
// address in a display name, a quoted string, a comment or an encoded word
// (RFC 2047) never counts. Without an address in From it is that of Sender,
// then that of Return-Path.
func (h *Header) SenderDomain() (domain string, multiple bool) {
	from, multiple := domainOf(h.Get("From"))
	multiple = multiple || h.Count("From") > 1
	if from != "" {
		return from, multiple
	}
	if sender, _ := domainOf(h.Get("Sender")); sender != "" {
		return sender, multiple
	}
	path := h.Get("Return-Path")
	if domain, _ := domainOf(path); domain != "" {
		return domain, multiple
	}
	if strings.Join(strings.Fields(path), "") == "<>" { // RFC 5321 4.5.5
		return DomainBounce, multiple
	}
	return DomainUnknown, multiple
}

// domainOf finds the first address of an address list, "" if there is none.
// It looks at each octet a fixed number of times, whatever is in them.
func domainOf(value string) (domain string, multiple bool) {
	text, openQuote, openComment := strip(value, true, true)
	if openQuote || openComment {
		// Something never closes (`5" disk <…>`, `:( <…>`): then it was none.
		again, openQuote2, openComment2 := strip(value, !openQuote, !openComment)
		text = again
		if openQuote2 || openComment2 {
			text, _, _ = strip(value, false, false)
		}
	}
	if open := bytes.IndexByte(text, '<'); open >= 0 {
		return angleDomain(text, open)
	}
	return bareDomain(text)
}

// strip replaces each comment by a space and each quoted string by a lone
// quote, which no domain can hold (RFC 5322 3.2.2, 3.2.4), and tells whether
// one of them was never closed. What is not asked for is left as it is.
func strip(s string, quotes, comments bool) (out []byte, openQuote, openComment bool) {
	out = make([]byte, 0, len(s))
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0):
			i++
		case quoted:
			quoted = c != '"'
		case comments && c == '(':
			if depth == 0 {
				out = append(out, ' ')
			}
			depth++
		case depth > 0:
			if c == ')' {
				depth--
			}
		case quotes && c == '"':
			quoted = true
			out = append(out, '"')
		default:
			out = append(out, c)
		}
	}
	return out, quoted, depth > 0
}

// angleDomain reads the first <…> of text, which opens at open. An address
// before it belongs to the display name and never counts, unless it stands in
// an entry of the list of its own, and then only as one of several.
func angleDomain(text []byte, open int) (domain string, multiple bool) {
	part, after, _ := bytes.Cut(text[open+1:], []byte(">"))
	before := text[:open]
	entries := bytes.LastIndexAny(before, ",;")
	multiple = bytes.IndexByte(after, '@') >= 0 || entries >= 0 && bytes.IndexByte(before[:entries], '@') >= 0
	at := bytes.LastIndexByte(part, '@')
	if at < 0 {
		return "", multiple
	}
	spaceless := bytes.Join(bytes.Fields(part[at+1:]), nil) // RFC 5322 4.4: `example . org`
	return toDomain(spaceless), multiple
}

// bareDomain reads a list of addresses without <…>.
func bareDomain(text []byte) (domain string, multiple bool) {
	for len(text) > 0 {
		var entry []byte
		entry, text = cutEntry(text)
		at := bytes.LastIndexByte(entry, '@')
		if at < 0 {
			continue
		}
		if domain != "" {
			return domain, true
		}
		if words := bytes.Fields(entry[at+1:]); len(words) > 0 {
			domain = toDomain(words[0])
		}
	}
	return domain, false
}

// cutEntry cuts text at its first separator; those inside an address literal
// (`[IPv6:…]`) do not separate.
func cutEntry(text []byte) (entry, rest []byte) {
	literal := false
	for i, c := range text {
		switch c {
		case '[':
			literal = i > 0 && text[i-1] == '@'
		case ']':
			literal = false
		case ',', ';', ':':
			if !literal {
				return text[:i], text[i+1:]
			}
		}
	}
	return text, nil
}

// toDomain gives the canonical form of a domain or address literal, ""
// for a local name without a dot, DomainInvalid for what cannot be one.
func toDomain(raw []byte) string {
	const dots = ".。．｡" // RFC 3490 3.1
	if len(raw) > 4*maxDomain {
		return DomainInvalid // no A-label is shorter than a quarter of its UTF-8
	}
	s := strings.TrimRight(string(raw), dots)
	if strings.HasPrefix(s, "[") {
		return literal(s)
	}
	if !strings.ContainsAny(s, dots) {
		return ""
	}
	s = strings.ToLower(s)
	if isHostname(s) && !strings.Contains(s, "xn--") {
		return s
	}
	s, err := toASCII.ToASCII(s)
	if err != nil || !isHostname(s) || !strings.Contains(s, ".") {
		return DomainInvalid
	}
	return s
}

// toASCII is IDNA2008 for looking up (RFC 5891 5), with lengths checked.
var toASCII = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.BidiRule(),
	idna.ValidateLabels(true), idna.VerifyDNSLength(true))

// isHostname reports whether s consists of labels as RFC 1123 2.1 has them, in lower case.
func isHostname(s string) bool {
	if len(s) > maxDomain {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// literal reads `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3).
func literal(s string) string {
	inner, ok := strings.CutSuffix(strings.ToLower(s[1:]), "]")
	addr, err := netip.ParseAddr(strings.TrimPrefix(inner, "ipv6:"))
	if !ok || err != nil || addr.Zone() != "" {
		return DomainInvalid
	}
	return "[" + addr.String() + "]"
}
