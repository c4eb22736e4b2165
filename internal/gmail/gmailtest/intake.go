package gmailtest

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"regexp"
	"strings"
	"sync"
)

// maxHead bounds the part of a header section that is looked at.
const maxHead = 256 << 10

// intake digests a message while it passes: SHA-256, count, and the header
// section, which is needed for From and Message-ID and dropped at the end.
type intake struct {
	hash     hash.Hash
	n        int64
	head     []byte
	headDone bool
}

func newIntake() *intake { return &intake{hash: sha256.New()} }

func (in *intake) write(p []byte) {
	in.hash.Write(p)
	in.n += int64(len(p))
	if in.headDone {
		return
	}
	from := max(len(in.head)-3, 0)
	in.head = append(in.head, p[:min(len(p), maxHead-len(in.head))]...)
	switch end := headEnd(in.head[from:]); {
	case bytes.HasPrefix(in.head, []byte("\n")), bytes.HasPrefix(in.head, []byte("\r\n")):
		in.head, in.headDone = nil, true // no header section at all
	case end >= 0:
		in.head, in.headDone = in.head[:from+end], true
	case len(in.head) == maxHead:
		in.headDone = true
	}
}

// headEnd gives the index of the blank line that ends a header section.
func headEnd(b []byte) int {
	for i := 0; ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return -1
		}
		i += j + 1
		if rest := b[i:]; bytes.HasPrefix(rest, []byte("\n")) || bytes.HasPrefix(rest, []byte("\r\n")) {
			return i
		}
	}
}

// mark remembers a state to which a broken chunk falls back.
func (in *intake) mark() intake {
	c, err := in.hash.(hash.Cloner).Clone()
	if err != nil {
		panic("gmailtest: " + err.Error())
	}
	return intake{hash: c, n: in.n, head: in.head[:len(in.head):len(in.head)], headDone: in.headDone}
}

// buffers are shared by all uploads and cleared after use.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// headInfo is what Gmail looks at before it takes a message.
type headInfo struct {
	messageID string
	from      *refusal // why the From is not usable
}

var field = regexp.MustCompile(`(?im)^(from|message-id)[ \t]*:((?:[^\n]*)(?:\n[ \t][^\n]*)*)`)

func scanHead(head []byte) (h headInfo) {
	var from []string
	for _, m := range field.FindAllSubmatch(head, -1) {
		value := strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(string(m[2])))
		if strings.EqualFold(string(m[1]), "from") {
			from = append(from, value)
		} else if h.messageID == "" {
			h.messageID = value
		}
	}
	switch {
	case len(from) != 1:
		h.from = &refusal{"Expected a single 'From' header"}
	case !hasAddress(from[0]):
		h.from = &refusal{"Invalid From header"}
	}
	return h
}

var (
	quoted  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	angle   = regexp.MustCompile(`<([^<>]*)>`)
	address = regexp.MustCompile(`^[^\s@<>"(),;:\\]+@[^\s@<>"(),;:\\]+$`)
)

// hasAddress is looser than net/mail: what Gmail's own test is, is not known.
func hasAddress(from string) bool {
	if m := angle.FindAllStringSubmatch(from, -1); m != nil {
		a := strings.TrimSpace(m[len(m)-1][1])
		return address.MatchString(quoted.ReplaceAllString(a, "q"))
	}
	bare, _, _ := strings.Cut(from, "(")
	return address.MatchString(strings.TrimSpace(bare))
}
