package imap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	// maxLine bounds one line before the login: capability lists of real
	// servers stay under 2 KiB.
	maxLine = 8 << 10
	// maxLines bounds what a server may say before it answers a command.
	maxLines = 100
)

// A preamble speaks the lines before go-imap takes over: greeting,
// capabilities, STARTTLS, login. It understands no literals: no response of
// these commands needs one.
type preamble struct {
	host string
	conn net.Conn
	r    *bufio.Reader
	tags int
	caps map[string]bool // upper case; nil: not known in this state

	asked string // what the last continuation request said; foreign text
}

func newPreamble(host string, conn net.Conn) *preamble {
	return &preamble{host: host, conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
}

// A response is one status line: tagged, "*" or "+".
type response struct {
	tag    string
	status string // upper case; for "+" empty
	code   string // response code without its arguments, upper case
	args   string // its arguments
	text   string
}

// parseResponse cuts a line up (RFC 3501 7.1). What does not fit is text.
func parseResponse(line string) (r response) {
	r.tag, r.text, _ = strings.Cut(line, " ")
	if r.tag == "+" {
		return r
	}
	r.status, r.text, _ = strings.Cut(r.text, " ")
	r.status = strings.ToUpper(r.status)
	if rest, ok := strings.CutPrefix(r.text, "["); ok {
		if code, text, ok := strings.Cut(rest, "]"); ok {
			r.text = strings.TrimPrefix(text, " ")
			r.code, r.args, _ = strings.Cut(code, " ")
			r.code = strings.ToUpper(r.code)
		}
	}
	return r
}

func (r response) refusal() *refusal {
	return &refusal{status: r.status, code: r.code, text: r.text}
}

// read takes the next line.
func (p *preamble) read() (response, error) {
	line, err := p.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return response{}, protocolLimit(p.host, "a line without end")
	case err != nil:
		return response{}, lost(p.host, err)
	}
	r := parseResponse(string(bytes.TrimRight(line, "\r\n")))
	if r.code == "CAPABILITY" {
		p.learn(r.args)
	} else if r.tag == "*" && r.status == "CAPABILITY" {
		p.learn(r.text)
	}
	return r, nil
}

func (p *preamble) learn(list string) {
	p.caps = make(map[string]bool)
	for c := range strings.FieldsSeq(list) {
		p.caps[strings.ToUpper(c)] = true
	}
}

// write sends one line and forgets it: it may hold the password.
func (p *preamble) write(line string) error {
	b := append([]byte(line), "\r\n"...)
	defer clear(b)
	if _, err := p.conn.Write(b); err != nil {
		return lost(p.host, err)
	}
	return nil
}

// greet reads the first line of the server.
func (p *preamble) greet() error {
	r, err := p.read()
	switch {
	case err != nil:
		return err
	case r.tag == "*" && r.status == "OK":
		return nil
	case r.tag == "*" && r.status == "BYE":
		return r.refusal().later(p.host, "let us in")
	case r.tag == "*" && r.status == "PREAUTH":
		// RFC 9051 7.1.4: who can forge this in clear text skips STARTTLS.
		// With TLS it would be a mailbox whose owner nobody checked.
		return &mail.Fault{Class: mail.Setup, Code: "tls_preauth", Err: r.refusal(),
			Text: fmt.Sprintf("%s lets anybody in without a login", p.host), Help: "use the provider's regular IMAP server"}
	}
	return badResponse(p.host, errors.New("greeting"))
}

// command sends one command and reads to its tagged answer. Each continuation
// request of the server gets the next of replies; there must be no more.
func (p *preamble) command(line string, replies ...string) (response, error) {
	p.tags++
	tag := fmt.Sprintf("S%d", p.tags)
	if err := p.write(tag + " " + line); err != nil {
		return response{}, err
	}
	var bye *refusal
	for range maxLines {
		r, err := p.read()
		if err != nil && bye != nil {
			return response{}, bye.later(p.host, "go on")
		}
		if err != nil {
			return response{}, err
		}
		switch {
		case r.tag == tag:
			return r, nil
		case r.tag == "*" && r.status == "BYE":
			bye = r.refusal()
		case r.tag == "*":
		case r.tag == "+" && len(replies) > 0:
			p.asked = r.text
			if err := p.write(replies[0]); err != nil {
				return response{}, err
			}
			replies = replies[1:]
		default:
			return response{}, badResponse(p.host, errors.New("unexpected line before the login"))
		}
	}
	return response{}, protocolLimit(p.host, "lines without end")
}

// capability asks what the server can do, unless it has said so: some
// providers count this command against a limit.
func (p *preamble) capability() error {
	if p.caps != nil {
		return nil
	}
	r, err := p.command("CAPABILITY")
	switch {
	case err != nil:
		return err
	case r.status != "OK":
		return r.refusal().later(p.host, "say what it can do")
	case p.caps == nil:
		return badResponse(p.host, errors.New("no capabilities"))
	}
	return nil
}

// startTLS asks for the upgrade (RFC 3501 6.2.1) and makes sure that nothing
// was said in clear text behind it.
func (p *preamble) startTLS() error {
	if err := p.greet(); err != nil {
		return err
	}
	if err := p.capability(); err != nil {
		return err
	}
	if !p.caps["STARTTLS"] {
		return &mail.Fault{Class: mail.Setup, Code: "tls_missing",
			Text: fmt.Sprintf("%s offers no STARTTLS on this port", p.host), Help: `set the security of the mailbox to "tls" (port 993); nothing is ever sent in clear text`}
	}
	r, err := p.command("STARTTLS")
	if err != nil {
		return err
	}
	if r.status != "OK" {
		return &mail.Fault{Class: mail.Setup, Code: "tls_refused", Err: r.refusal(),
			Text: fmt.Sprintf("%s refused STARTTLS", p.host), Help: `set the security of the mailbox to "tls" (port 993); nothing is ever sent in clear text`}
	}
	if p.r.Buffered() > 0 {
		return &mail.Fault{Class: mail.Setup, Code: "tls_injection",
			Text: fmt.Sprintf("somebody between us and %s, or the server, slipped clear text behind STARTTLS", p.host),
			Help: `set the security of the mailbox to "tls" (port 993) and tell the provider`}
	}
	return nil
}
