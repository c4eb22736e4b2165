package pop3d

import "time"

// Faults makes the server misbehave. The zero Faults is a well-behaved
// server. A session keeps the faults it began with.
type Faults struct {
	// Greeting replaces the greeting, without its CRLF.
	Greeting string
	// Replies answers a command with this line instead of carrying it out:
	// {"PASS": "-ERR [IN-USE] locked"}. Commands in upper case.
	Replies map[string]string
	// CutAt drops the connection when this command arrives.
	CutAt string
	// CutAfter drops it after the reply to this command.
	CutAfter string
	// Delay waits before each reply.
	Delay time.Duration

	NoCapa       bool // CAPA is unknown
	NoPipelining bool // not announced, and commands sent ahead are thrown away
	NoTop        bool
	NoUIDL       bool
	NoSTLS       bool
	NoCodes      bool // no response codes in brackets
	// LoginDelay is announced as CAPA LOGIN-DELAY, in seconds.
	LoginDelay int

	// InjectSTLS is sent in clear, in one write with the +OK to STLS.
	InjectSTLS string

	// Stat replaces the two numbers of STAT.
	Stat string
	// UIDL and List write the line for message n in place of "n id" and
	// "n size"; "" leaves it out.
	UIDL func(n int, uidl string) string
	List func(n int, size int64) string

	// CutRetr drops the connection after that many octets of a RETR body.
	CutRetr int64
	// RefuseRetr answers RETR and TOP of these messages with -ERR.
	RefuseRetr map[int]bool
	// WholeTop makes TOP send the whole message.
	WholeTop bool
	// BOM puts a UTF-8 byte order mark before each message, as Office 365 does.
	BOM bool
	// BareLF ends the server's own lines with LF alone.
	BareLF bool
	// KeepDeleted answers DELE and QUIT with +OK and deletes nothing, as Yandex does.
	KeepDeleted bool
	// Write, when set, is where each write of the session passes through:
	// it may fragment. It gets the real write as its second argument.
	Write func(p []byte, write func([]byte) (int, error)) (int, error)
}
