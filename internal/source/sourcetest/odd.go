package sourcetest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Odd gives mail that breaks careless clients. All line ends are CRLF.
func Odd() [][]byte {
	head := "From: a@one.example\r\nSubject: odd\r\nMessage-ID: <%d@one.example>\r\n\r\n"
	bodies := []string{
		"",                                   // a body of nothing
		".\r\n",                              // a dot alone, which POP3 must stuff
		"..\r\n.\r\n...\r\n.x\r\n",           // dots in every quantity
		"x\r\n.",                             // a dot alone on a last line without end
		"\r\n\r\n\r\n",                       // blank lines only
		"no line end",                        // the last line does not end
		"ends in CR\r\n\r\n\r\n",             // trailing blank lines
		strings.Repeat("a", 1<<20) + "\r\n",  // a line of 1 MiB
		strings.Repeat(".", 64<<10) + "\r\n", // a line of dots
		strings.Repeat(".\r\n", 20_000),      // nothing but dots
		strings.Repeat("0123456789abcdef\r\n", 40_000),                                      // larger than every buffer
		"8-bit: \xe4\xf6\xfc \xff\xfe\r\nUTF-8: gr\xc3\xbc\xc3\x9fe\r\n",                    // octets that are no text
		"a) {12}\r\n* BYE (((((((((((((((((((\r\n+OK\r\n-ERR\r\n)\r\n",                      // protocol look-alikes
		strings.Repeat("x", 4095) + "\r\n.\r\n" + strings.Repeat("y", 32765) + "\r\n..\r\n", // dots at buffer edges
	}
	var out [][]byte
	for i, b := range bodies {
		out = append(out, fmt.Appendf(nil, head+"%s", i, b))
	}
	return append(out,
		[]byte("Subject: header only\r\n"),
		[]byte("Subject: header and blank line only\r\n\r\n"),
		[]byte("\r\nno header at all\r\n"),
		[]byte("this is not a header\r\nnor this\r\n\r\nbody\r\n"),
		[]byte(" starts with a folded line\r\nFrom: x@two.example\r\n\r\nbody\r\n"),
		LargeHeader(300<<10),
	)
}

// LargeHeader is a message whose header section has at least n octets.
func LargeHeader(n int) []byte {
	var b bytes.Buffer
	b.WriteString("From: large@three.example\r\n")
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "X-Filler-%d: %s\r\n", i, strings.Repeat("f", 900))
	}
	b.WriteString("\r\nbody after a large header\r\n")
	return b.Bytes()
}

// Plain gives n small messages, no two alike.
func Plain(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, "From: s%d@plain.example\r\nSubject: plain %d\r\nMessage-ID: <plain-%d@plain.example>\r\n\r\n%s\r\n",
			i, i, i, strings.Repeat(fmt.Sprintf("line of message %d\r\n", i), i%7))
	}
	return out
}

// sized is one message with a body of about n octets.
func sized(n int) []byte {
	line := strings.Repeat("z", 70) + "\r\n"
	return []byte("From: big@plain.example\r\nSubject: big\r\n\r\n" + strings.Repeat(line, n/len(line)+1))
}

// headerOf gives the header section of raw as mail.HeaderEnd sees it.
func headerOf(raw []byte) []byte {
	if end := mail.HeaderEnd(raw); end >= 0 {
		return raw[:end]
	}
	return raw
}
