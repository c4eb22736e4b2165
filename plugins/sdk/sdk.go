// Package sdk is what a rule written in Go is made of. It uses the standard
// library alone; sdk.go is the whole of what one has to know.
//
//	package main
//
//	import "github.com/smtp-sync/smtp-sync/plugins/sdk"
//
//	func init() {
//		sdk.Register(sdk.Plugin{Filter: func(m sdk.Message) sdk.Verdict {
//			if m.In(sdk.FromDomain, "domains") {
//				return sdk.Skip.Because(1)
//			}
//			return sdk.Keep
//		}})
//	}
//
//	func main() {} // never called
//
// Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o rule.wasm .
//
// and put its manifest in with `smtp-sync plugin pack`. The same code runs in
// ordinary tests, with package filtertest in place of the host.
//
// A plugin sees one message at a time and remembers none: after each, its memory
// is again what it was when Configure had returned.
package sdk

import "strconv"

// Plugin is what the host calls.
type Plugin struct {
	// Configure sees the settings, once, before the first message: parse them
	// here and keep what comes of it in variables. 0: good; any other number
	// refuses them, and the user is told that number. May be nil.
	Configure func(Settings) int32
	// Filter gives the verdict on a message. A panic is a failure of the plugin:
	// the message is imported as if there were no such rule.
	Filter func(Message) Verdict
}

// Register says what the plugin is; call it from an init function.
func Register(p Plugin) { registered = p }

// Registered gives what was registered, for tests.
func Registered() Plugin { return registered }

var registered Plugin

// Verdict is what shall become of a message. Those below are combined with |.
type Verdict uint64

const Keep Verdict = 0 // import it as it is

const (
	Skip Verdict = 1 << iota // do not import it; says all, whatever else is set
	Archive
	Star
	Important
	Read
	NeverSpam
	Spam
)

// Because adds the number of a reason that the manifest names.
func (v Verdict) Because(reason uint16) Verdict { return v | Verdict(reason)<<32 }

// Field is a value that the host makes out of the header, in one normal form:
// UTF-8 of at most 998 octets without control characters, domains in lower case.
type Field uint32

const (
	FromDomain Field = 1 + iota
	FromAddress
	FromName
	ListID // what stands in <>
	Subject
	To          // the first address
	DeliveredTo // the first
	ReplyToDomain
	MailboxName     // what the user calls the mailbox
	SourceFolder    // IMAP: the folder
	ListUnsubscribe // "1" if one can unsubscribe
	Precedence
	AutoSubmitted
	MessageIDDomain
)

// Number is a number that the host knows about a message; -1 is not known.
type Number uint32

const (
	Size           Number = 1 + iota // octets, as the source announces them
	Date                             // seconds since 1970
	ReceivedAt                       // when the source got it, seconds since 1970
	DKIM                             // 0 not known, 1 pass, 2 fail, as a server says that the user trusts
	SPF                              // alike
	DMARC                            // alike
	Recipients                       // addresses in To and Cc
	HasListHeaders                   // 0 or 1
	ABIMinor                         // minor version of the ABI that the host speaks
)

// What the host answers instead of a length or a truth. Most rules need not
// tell these apart.
const (
	Absent     int32 = -1
	NotGranted int32 = -2 // the manifest does not ask for it
	BadArg     int32 = -3
)

// Host is the other side: the import functions of smtpsync_v1. In a test it is
// package filtertest.
type Host interface {
	Field(id Field) (value string, n int32)
	Header(name string, index int) (value string, n int32)
	Number(id Number) int64
	Config(key string) (value string, n int32)
	InList(id Field, key string) int32
	Matches(id Field, key string) int32
	Label(text string) int32
	Note(code int32, value int64)
}

// Settings are the values that the user gave the rule.
type Settings struct{ Host Host }

// Text gives a setting as text, lists joined by line feeds; "" if it has no value.
func (s Settings) Text(key string) string {
	value, _ := s.Host.Config(key)
	return value
}

// Bool gives a bool.
func (s Settings) Bool(key string) bool { return s.Text(key) == "true" }

// Int gives an int, or a bytes-size in octets.
func (s Settings) Int(key string) int64 {
	n, _ := strconv.ParseInt(s.Text(key), 10, 64)
	return n
}

// Message is the message that is asked about.
type Message struct{ Settings }

// Field gives a value, "" if there is none.
func (m Message) Field(id Field) string {
	value, _ := m.Host.Field(id)
	return value
}

// Header gives the index-th header field of a name, unfolded, from 0 to 31.
func (m Message) Header(name string, index int) (value string, found bool) {
	value, n := m.Host.Header(name, index)
	return value, n >= 0
}

// Number gives a number; -1 if it is not known.
func (m Message) Number(id Number) int64 { return m.Host.Number(id) }

// In reports whether a list of the settings has the value of a field; a list of
// domains has also those below its own. The host looks it up: the length of the
// list does not matter.
func (m Message) In(id Field, list string) bool { return m.Host.InList(id, list) == 1 }

// Matches reports whether a pattern of the settings matches a field.
func (m Message) Matches(id Field, pattern string) bool { return m.Host.Matches(id, pattern) == 1 }

// Label puts a label on the message, at most five of 100 octets each; "/" nests.
func (m Message) Label(text string) bool { return m.Host.Label(text) == 0 }

// Note leaves a number for the author's log. Text cannot be logged.
func (m Message) Note(code int32, value int64) { m.Host.Note(code, value) }
