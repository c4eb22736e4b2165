// Package field derives from a header section what rules ask about: the
// sender's domain, the decoded subject, the list it came through. Plugins never
// parse mail; they are given values in one normal form.
//
// A value is UTF-8 of at most 998 octets without control characters; domains
// are lower case in A-labels. What is not there, or cannot be made out without
// guessing, is absent. Nothing is derived before it is asked for, and nothing
// outlives its message.
package field

import (
	"mime"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// ID is the number of a field in the ABI. Numbers never change.
type ID uint32

const (
	FromDomain ID = 1 + iota
	FromAddress
	FromName
	ListID // what stands in <>
	Subject
	To          // the first address
	DeliveredTo // the first
	ReplyToDomain
	MailboxName  // what the user calls the mailbox
	SourceFolder // IMAP: the folder
	ListUnsubscribe
	Precedence
	AutoSubmitted
	MessageIDDomain
	last = MessageIDDomain
)

var names = [...]string{
	"", "from_domain", "from_address", "from_name", "list_id", "subject", "to", "delivered_to", "reply_to_domain",
	"mailbox_name", "source_folder", "list_unsubscribe", "precedence", "auto_submitted", "message_id_domain",
}

func (id ID) String() string {
	if id > last {
		return ""
	}
	return names[id]
}

// Named gives the field of a name, 0 if there is none.
func Named(name string) ID {
	for id := FromDomain; id <= last; id++ {
		if names[id] == name {
			return id
		}
	}
	return 0
}

// MaxValue is the length of the longest value, in octets.
const MaxValue = 998

// Mailbox is what a user said about the mailbox that a message comes from.
type Mailbox struct {
	Name string
	// Authserv are the names under which servers that the user trusts write
	// Authentication-Results (RFC 8601 5); without any they are not believed.
	Authserv []string
}

// Facts are the values of one message. They are derived when asked for, and
// used by one goroutine at a time.
type Facts struct {
	h       *mail.Header
	ref     mail.Ref
	box     *Mailbox
	values  [last + 1]string
	present [last + 1]bool
	known   [last + 1]bool
	numbers [ABIMinor + 1]int64
	counted [ABIMinor + 1]bool
}

// Of gives the facts of a message; h, ref and box must not change meanwhile.
func Of(h *mail.Header, ref mail.Ref, box *Mailbox) *Facts {
	return &Facts{h: h, ref: ref, box: box}
}

// Message gives what they were made of.
func (f *Facts) Message() (*mail.Header, mail.Ref, *Mailbox) { return f.h, f.ref, f.box }

// Value gives a field, and whether there is one.
func (f *Facts) Value(id ID) (string, bool) {
	if id == 0 || id > last {
		return "", false
	}
	if !f.known[id] {
		value, present := f.derive(id)
		f.values[id], f.present[id], f.known[id] = clean(value), present, true
	}
	return f.values[id], f.present[id]
}

// Len gives the octets of the header section.
func (f *Facts) Len() int { return len(f.h.Raw()) }

// Header gives the value of the n-th header field of a name, unfolded, from 0.
func (f *Facts) Header(name string, n int) (string, bool) {
	for value := range f.h.All(name) {
		if n == 0 {
			return clean(value), true
		}
		n--
	}
	return "", false
}

func (f *Facts) derive(id ID) (value string, present bool) {
	switch id {
	case FromDomain:
		value, _ = f.h.SenderDomain()
		if value == mail.DomainUnknown || value == mail.DomainBounce || value == mail.DomainInvalid {
			return "", false
		}
	case FromAddress:
		// Two parsers read it; where they disagree somebody wants to fool one.
		domain, _ := f.h.SenderDomain()
		if value = Address(f.h.Get("From")); !strings.HasSuffix(value, "@"+domain) {
			return "", false
		}
	case FromName:
		value = displayName(f.h.Get("From"))
	case ListID:
		value = strings.ToLower(between(f.h.Get("List-Id")))
	case Subject:
		return decode(f.h.Get("Subject")), f.h.Count("Subject") > 0
	case To:
		value = Address(f.h.Get("To"))
	case DeliveredTo:
		value = Address(f.h.Get("Delivered-To"))
	case ReplyToDomain:
		_, value, _ = strings.Cut(Address(f.h.Get("Reply-To")), "@")
	case MailboxName:
		value = f.box.Name
	case SourceFolder:
		value = f.ref.Folder
	case ListUnsubscribe:
		if f.h.Count("List-Unsubscribe") > 0 {
			value = "1"
		}
		return value, true
	case Precedence:
		value = strings.ToLower(f.h.Get("Precedence"))
	case AutoSubmitted:
		value, _, _ = strings.Cut(strings.ToLower(f.h.Get("Auto-Submitted")), ";")
		value = strings.TrimSpace(value)
	case MessageIDDomain:
		id := between(f.h.Get("Message-ID"))
		value = Domain(id[strings.LastIndexByte(id, '@')+1:])
	}
	return value, value != ""
}

// Domain gives the normal form of a domain, "" if it is none.
func Domain(s string) string {
	if s == "" || strings.ContainsAny(s, "<>\"(),;: \t\r\n@\\") {
		return ""
	}
	// The one parser that knows what a sender's domain looks like.
	domain, _ := mail.ParseHeader([]byte("From: <a@" + s + ">\r\n\r\n")).SenderDomain()
	if domain == mail.DomainUnknown || domain == mail.DomainInvalid || domain == mail.DomainBounce {
		return ""
	}
	return domain
}

// Address gives the first address of a list in its normal form, local part in
// lower case; "" if there is none.
func Address(list string) string {
	local, domain, ok := "", "", false
	if all, err := parser.ParseList(list); err == nil && len(all) > 0 {
		at := strings.LastIndexByte(all[0].Address, '@')
		local, domain, ok = all[0].Address[:max(at, 0)], all[0].Address[at+1:], at > 0
	} else if inner := between(list); !strings.ContainsAny(inner, "\"(),;: \t") { // what net/mail does not read
		at := strings.LastIndexByte(inner, '@')
		local, domain, ok = inner[:max(at, 0)], inner[at+1:], at > 0
	}
	if domain = Domain(domain); !ok || domain == "" {
		return ""
	}
	return strings.ToLower(local) + "@" + domain
}

var (
	words  = &mime.WordDecoder{}
	parser = &netmail.AddressParser{WordDecoder: words}
)

func displayName(list string) string {
	if all, err := parser.ParseList(list); err == nil && len(all) > 0 {
		return all[0].Name
	}
	name, _, found := strings.Cut(list, "<")
	if !found {
		return ""
	}
	return decode(strings.Trim(strings.TrimSpace(name), `"`))
}

// between gives what stands in the first <…>, the whole if there is none.
func between(s string) string {
	if _, after, found := strings.Cut(s, "<"); found {
		s, _, _ = strings.Cut(after, ">")
	}
	return strings.TrimSpace(s)
}

// decode reads encoded words (RFC 2047) in the charsets of the standard
// library; a value with others stays as it is.
func decode(s string) string {
	if text, err := words.DecodeHeader(s); err == nil {
		return text
	}
	return s
}

// clean brings a value into the form that plugins may rely on.
func clean(s string) string {
	if len(s) <= MaxValue && plain(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if len(s) > MaxValue {
		end := MaxValue
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	return s
}

func plain(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
