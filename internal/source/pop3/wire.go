package pop3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// reply is a status line (RFC 1939 3).
type reply struct {
	ok     bool
	more   bool   // "+ ": the server goes on with AUTH (RFC 5034 4)
	code   string // response code, upper case, without brackets (RFC 2449 8)
	text   string // what follows; foreign text
	bareLF bool   // the line ended in LF alone
}

// err is a refusal for the operator's log. A hostile server may repeat the
// password or a message in any word of its answer: only response codes that we
// know (RFC 2449 8.1, RFC 3206) are let through.
func (r reply) err() error {
	switch r.code {
	case "AUTH", "IN-USE", "LOGIN-DELAY", "SYS/TEMP", "SYS/PERM", "UTF8":
		return fmt.Errorf("-ERR [%s]", r.code)
	}
	return errors.New("-ERR")
}

// parseReply reads a status line with its line end.
func parseReply(line string) (reply, bool) {
	var r reply
	body := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	r.bareLF = !strings.HasSuffix(line, "\r\n")
	word, rest := body, ""
	if i := strings.IndexAny(body, " \t"); i >= 0 {
		word, rest = body[:i], strings.TrimSpace(body[i:])
	}
	switch word {
	case "+OK":
		r.ok = true
	case "+":
		r.more = true
	case "-ERR":
	default:
		return r, false
	}
	r.text = rest
	if inner, ok := strings.CutPrefix(rest, "["); ok && !r.more {
		if code, text, ok := strings.Cut(inner, "]"); ok {
			r.code, r.text = strings.ToUpper(code), strings.TrimSpace(text)
		}
	}
	return r, true
}

// send writes commands, several at once only where PIPELINING allows it.
func (s *Source) send(commands ...string) error {
	if s.dead != nil {
		return s.dead
	}
	if err := s.conn.Send(commands...); err != nil {
		return s.fail(err)
	}
	return nil
}

// reply reads the status line of the next answer.
func (s *Source) reply() (reply, error) {
	if s.dead != nil {
		return reply{}, s.dead
	}
	if _, err := s.conn.ReadStatus(); err != nil {
		return reply{}, s.fail(err)
	}
	return s.judge()
}

func (s *Source) judge() (reply, error) {
	r, ok := parseReply(s.conn.LastStatus())
	if !ok {
		return r, s.fail(protocolFault(s.host, "an answer that is not POP3"))
	}
	return r, nil
}

// library runs one go-pop3 command. The verdict is ours: the library takes an
// empty line for success and hides the response code in a text.
func (s *Source) library(command func() error) (reply, error) {
	err := command()
	if s.tap.err != nil {
		return reply{}, s.fail(s.tap.err)
	}
	r, bad := s.judge()
	if bad == nil && r.ok && err != nil {
		r.ok = false // well-formed, but the library could not make sense of its arguments
	}
	return r, bad
}

// tap is the connection that go-pop3 sees. It keeps the error that the
// library would pass on mixed with the server's words.
type tap struct {
	*dial.LineConn
	err error
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.LineConn.Read(p)
	t.err = err
	return n, err
}

func (t *tap) Write(p []byte) (int, error) {
	n, err := t.LineConn.Write(p)
	t.err = err
	return n, err
}

// lines reads the rest of a multi-line answer, end mark included.
func (s *Source) lines(each func(line []byte)) error {
	for {
		line, err := s.conn.ReadLine()
		if err != nil {
			return s.fail(err)
		}
		if len(line) > 0 && line[0] == '.' {
			if len(line) == 1 {
				return nil
			}
			line = line[1:]
		}
		each(line)
	}
}

// fail ends the Source for the reason behind err, which it gives as a Fault.
// The first reason stays.
func (s *Source) fail(err error) error {
	if s.dead == nil {
		s.dead = s.conn.Explain(err)
		s.conn.Abort(s.dead)
	}
	return s.dead
}

// begin starts an operation: the Source must be alive, and as long as the
// operation lasts the end of ctx ends the Source, blocked reads included.
// end must be called, before the operation returns.
func (s *Source) begin(ctx context.Context, limit limit) (end func(), err error) {
	if s.dead != nil {
		return nil, s.dead
	}
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	conn := s.conn
	conn.SetOperation(limit)
	stop := context.AfterFunc(ctx, func() { conn.Abort(cancelled(ctx)) })
	return func() {
		if !stop() {
			_ = s.fail(cancelled(ctx))
		}
		conn.SetOperation(0)
	}, nil
}

func cancelled(ctx context.Context) error {
	return &mail.Fault{Class: mail.Transient, Code: "cancelled",
		Text: "stopped before it was done", Err: context.Cause(ctx)}
}
