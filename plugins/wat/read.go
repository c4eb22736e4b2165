package wat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is one S-expression: a list, a word, or a string.
type node struct {
	line int
	list []node
	word string // "" for lists and strings
	text []byte // of a string
	kind byte   // '(', '"' or 'w'
}

// is reports whether n is a list that starts with the word.
func (n *node) is(word string) bool {
	return n.kind == '(' && len(n.list) > 0 && n.list[0].word == word
}

// Error is what is wrong with a source, and where.
type Error struct {
	Line int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

func fail(line int, format string, args ...any) {
	panic(&Error{line, fmt.Sprintf(format, args...)})
}

const maxNesting = 200

// reader takes a source apart.
type reader struct {
	src  string
	at   int
	line int
}

// nodes reads up to the end of the list that is open, or of the source.
func (r *reader) nodes(depth int) (all []node) {
	if depth > maxNesting {
		fail(r.line, "lists are nested more than %d deep", maxNesting)
	}
	for {
		r.space()
		if r.at == len(r.src) {
			if depth > 0 {
				fail(r.line, "the source ends within a list: close it with )")
			}
			return all
		}
		n := node{line: r.line}
		switch c := r.src[r.at]; c {
		case ')':
			if depth == 0 {
				fail(r.line, "there is a ) too many")
			}
			r.at++
			return all
		case '(':
			r.at++
			n.kind, n.list = '(', r.nodes(depth+1)
		case '"':
			n.kind, n.text = '"', r.text()
		default:
			end := strings.IndexAny(r.src[r.at:], " \t\r\n()\";")
			if end < 0 {
				end = len(r.src) - r.at
			}
			if end == 0 {
				fail(r.line, "there is a ; outside of a comment: comments are ;; … and (; … ;)")
			}
			n.kind, n.word = 'w', r.src[r.at:r.at+end]
			r.at += end
		}
		all = append(all, n)
	}
}

// space passes over blanks and comments.
func (r *reader) space() {
	for r.at < len(r.src) {
		rest := r.src[r.at:]
		switch {
		case rest[0] == '\n':
			r.line++
			r.at++
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r':
			r.at++
		case strings.HasPrefix(rest, ";;"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				r.at += end
			} else {
				r.at = len(r.src)
			}
		case strings.HasPrefix(rest, "(;"):
			end := strings.Index(rest, ";)")
			if end < 0 {
				fail(r.line, "a comment does not end: close it with ;)")
			}
			r.line += strings.Count(rest[:end], "\n")
			r.at += end + 2
		default:
			return
		}
	}
}

// text reads a string with its escapes.
func (r *reader) text() (b []byte) {
	for r.at++; r.at < len(r.src); {
		switch c := r.src[r.at]; {
		case c == '"':
			r.at++
			return b
		case c == '\n':
			fail(r.line, "a string does not end in its line")
		case c == '\\':
			escaped, size := escape(r.src[r.at:])
			if size == 0 {
				fail(r.line, `a string has an unknown escape: use \n \t \r \\ \' \" or two hexadecimal digits`)
			}
			b = append(b, escaped)
			r.at += size
		default:
			b = append(b, c)
			r.at++
		}
	}
	fail(r.line, "a string does not end")
	return nil
}

func escape(s string) (c byte, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if i := strings.IndexByte(`ntr\'"`, s[1]); i >= 0 {
		return "\n\t\r\\'\""[i], 2
	}
	if len(s) >= 3 {
		if v, err := strconv.ParseUint(s[1:3], 16, 8); err == nil {
			return byte(v), 3
		}
	}
	return 0, 0
}

// number reads an integer of so many bits, signed or not, as two's complement.
func (n *node) number(bits int) int64 {
	s := strings.ReplaceAll(n.word, "_", "")
	if v, err := strconv.ParseInt(s, 0, bits); err == nil {
		return v
	}
	v, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 0, bits)
	if err != nil {
		fail(n.line, "%s is no number of %d bits", n.shown(), bits)
	}
	return int64(v) << (64 - bits) >> (64 - bits)
}

func (n *node) shown() string {
	switch {
	case n.kind == '(' && len(n.list) > 0:
		return "(" + strconv.Quote(n.list[0].word) + " …)"
	case n.kind == 'w':
		return strconv.Quote(n.word)
	}
	return "what stands here"
}

// name reads a string that names something.
func (n *node) name() []byte {
	if n.kind != '"' || !utf8.Valid(n.text) {
		fail(n.line, "%s should be a name in quotes", n.shown())
	}
	return n.text
}
