package dial

import "bytes"

// scanner follows the response stream of an IMAP server (RFC 9051 4 and 9)
// just far enough to know what the client library is about to swallow. It
// errs on one side only: whatever go-imap would parse is counted here, and
// only octets that go-imap hands on as a stream are skipped.
//
// Its verdict does not depend on how the stream is cut into pieces.
type scanner struct {
	maxLine  int   // octets of one response, its small literals included
	maxDepth int   // open parentheses in a row of one response
	maxSmall int64 // octets of a literal the library may keep in memory
	// body is asked whether a message literal of n octets is awaited: one that
	// follows BODY[…] in a FETCH response, the only kind that is streamed.
	body func(n int64) bool

	skip   int64 // octets of a literal still to come
	state  state
	word   [8]byte // the response name so far, in upper case
	nword  int
	length int
	depth  int
	size   int64   // of the literal being announced
	digits int     // of that announcement
	fetch  bool    // this is a FETCH response
	prev   [3]byte // the last octets before this one, newest first
	brace  [3]byte // prev as it was at the opening brace

	begun   bool  // the greeting has been read to its end
	turn    bool  // since the caller last looked: the server has had its say
	counted int64 // since then: octets outside message literals
}

type state byte

const (
	lineStart state = iota
	star            // after "*"
	name            // in the response name, or in the message number before it
	number
	text     // free text up to the line end: tagged, "+", and untagged status responses
	tagged   // the same, and it hands the turn back to us
	data     // atoms, strings, lists
	quoted   // in a quoted string
	escaped  // after a backslash in it
	announce // in {n} or {n+}
	plus     // after the "+" of it
	closed   // after the "}"
	space    // after the blank some servers put there
	cr       // after the CR of it
)

// violation says which limit was broken.
type violation string

func (v violation) Error() string { return string(v) }

const (
	tooLong    violation = "a line without end"
	tooDeep    violation = "parentheses without end"
	tooLarge   violation = "a literal larger than what was asked for"
	endless    violation = "an answer without end"
	brokenText violation = "a quoted string across lines"
)

// mid reports whether the server has begun a response and not ended it.
func (s *scanner) mid() bool { return s.skip > 0 || s.state != lineStart }

// scan takes the next octets.
func (s *scanner) scan(p []byte) error {
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, int64(len(p)))
			s.skip -= n
			p = p[n:]
			continue
		}
		if s.state == text || s.state == tagged {
			n, ended := lineEnd(p)
			if err := s.count(n); err != nil {
				return err
			}
			if p = p[n:]; ended {
				s.endLine()
			}
			continue
		}
		if err := s.octet(p[0]); err != nil {
			return err
		}
		p = p[1:]
	}
	return nil
}

func lineEnd(p []byte) (n int, ended bool) {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return i + 1, true
	}
	return len(p), false
}

func (s *scanner) count(n int) error {
	s.counted += int64(n)
	if s.length += n; s.length > s.maxLine {
		return tooLong
	}
	return nil
}

// endLine starts a new response. After the greeting, a tagged response or a
// continuation request it is our turn to speak.
func (s *scanner) endLine() {
	s.turn = s.turn || s.state == tagged || !s.begun
	s.begun = true
	s.state, s.length, s.depth, s.nword, s.fetch = lineStart, 0, 0, 0, false
	s.prev = [3]byte{}
}

func (s *scanner) octet(c byte) error {
	if err := s.count(1); err != nil {
		return err
	}
	switch s.state {
	case lineStart:
		s.state = tagged
		switch c {
		case '*':
			s.state = star
		case '\n':
			s.endLine()
		}
		return nil
	case star, name, number:
		s.classify(c)
		if s.state != data {
			return nil
		}
	case quoted:
		return s.inQuoted(c)
	case escaped:
		s.state = quoted
		return notInQuoted(c)
	case announce, plus, closed, space, cr:
		if ok, err := s.inAnnouncement(c); ok || err != nil {
			return err
		}
		s.state = data // it only looked like a literal
	}
	return s.inData(c)
}

// classify reads "* name" and "* number name". go-imap takes "* 5 OK x" for a
// status response too, with any number of leading zeros.
func (s *scanner) classify(c byte) {
	switch {
	case s.state == star:
		s.state = data
		if c == ' ' {
			s.state = name
		}
	case s.state == name && s.nword == 0 && isDigit(c), s.state == number && isDigit(c):
		s.state = number
	case s.state == number:
		s.state = data
		if c == ' ' {
			s.state = name
		}
	case isAtom(c):
		if s.nword < len(s.word) {
			s.word[s.nword] = upper(c)
		}
		s.nword++
	default:
		s.state = data
		switch string(s.word[:min(s.nword, len(s.word))]) {
		case "OK", "NO", "BAD", "BYE", "PREAUTH":
			if s.state = text; c == '\n' {
				s.endLine()
			}
		case "FETCH":
			s.fetch = true
		}
	}
}

func (s *scanner) inQuoted(c byte) error {
	switch c {
	case '"':
		s.state = data
		s.remember(c)
	case '\\':
		s.state = escaped
	}
	return notInQuoted(c)
}

// notInQuoted: go-imap would read on across the line end, and lose step with us.
func notInQuoted(c byte) error {
	if c == '\r' || c == '\n' || c == 0 {
		return brokenText
	}
	return nil
}

func (s *scanner) inData(c byte) error {
	switch c {
	case '\n':
		s.endLine()
		return nil
	case '"':
		s.state = quoted
	case '{':
		s.state, s.size, s.digits, s.brace = announce, 0, 0, s.prev
	case '(':
		if s.depth++; s.depth > s.maxDepth {
			return tooDeep
		}
	case ')':
		s.depth = max(s.depth-1, 0)
	}
	s.remember(c)
	return nil
}

func (s *scanner) remember(c byte) { s.prev = [3]byte{c, s.prev[0], s.prev[1]} }

// inAnnouncement reads the rest of {n}, blank or not, CR or not, LF. go-imap
// is as lenient. ok is false when the octet does not belong to one.
func (s *scanner) inAnnouncement(c byte) (ok bool, err error) {
	switch {
	case s.state == announce && isDigit(c):
		if s.digits++; s.digits > 18 {
			return true, tooLarge
		}
		s.size = s.size*10 + int64(c-'0')
	case s.state == announce && c == '+' && s.digits > 0:
		s.state = plus
	case s.state == announce && c == '}' && s.digits > 0, s.state == plus && c == '}':
		s.state = closed
	case s.state == closed && c == ' ':
		s.state = space
	case (s.state == closed || s.state == space) && c == '\r':
		s.state = cr
	case (s.state == closed || s.state == space || s.state == cr) && c == '\n':
		return true, s.literal()
	default:
		return false, nil
	}
	return true, nil
}

// literal begins to skip the announced octets, if they are allowed.
func (s *scanner) literal() error {
	b := s.brace
	if b[0] == '~' { // literal8
		b = [3]byte{b[1], b[2]}
	}
	streamed := s.fetch && b[0] == ' ' && (b[1] == ']' || b[1] == '>')
	if !streamed || !s.body(s.size) {
		if s.size > s.maxSmall {
			return tooLarge
		}
		// The library keeps it in memory, as it does the line.
		if err := s.count(int(s.size)); err != nil {
			return tooLarge
		}
	}
	s.skip, s.state, s.prev = s.size, data, [3]byte{}
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// isAtom is ATOM-CHAR as go-imap has it.
func isAtom(c byte) bool {
	switch c {
	case '(', ')', '{', ' ', '%', '*', '"', '\\', ']':
		return false
	}
	return c > 0x20 && c < 0x7f || c > 0x9f
}
