package rawclient

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// readPOP3 is RFC 1939, with STLS of RFC 2595.
func readPOP3(s *session, c Config) ([]Message, error) {
	if _, err := s.ok(); err != nil {
		return nil, err
	}
	if c.StartTLS {
		if err := s.command("STLS"); err != nil {
			return nil, err
		}
		if err := s.secure(s.ctx, c.TLS); err != nil {
			return nil, err
		}
	}
	for _, line := range []string{"USER " + c.User, "PASS " + c.Password, "LIST"} {
		if err := s.command(line); err != nil {
			return nil, err
		}
	}
	listing, err := s.listing()
	if err != nil {
		return nil, err
	}
	var all []Message
	for _, entry := range listing {
		number, size, _ := strings.Cut(entry, " ")
		announced, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("LIST says %q", entry)
		}
		m, err := s.retrieve(number, announced)
		if err != nil {
			return nil, fmt.Errorf("RETR %s: %w", number, err)
		}
		all = append(all, m)
	}
	return all, s.command("QUIT")
}

// command sends a line and wants +OK.
func (s *session) command(line string) error {
	if err := s.send(line); err != nil {
		return err
	}
	if reply, err := s.ok(); err != nil {
		return fmt.Errorf("%s: %q, %w", strings.Fields(line)[0], reply, err)
	}
	return nil
}

func (s *session) ok() (string, error) {
	line, err := s.line()
	if err == nil && !strings.HasPrefix(line, "+OK") {
		err = errors.New("refused")
	}
	return line, err
}

func (s *session) listing() ([]string, error) {
	var all []string
	for {
		line, err := s.line()
		if err != nil || line == "." {
			return all, err
		}
		all = append(all, line)
	}
}

// retrieve reads a message. RFC 1939 3: a line that starts with a dot was
// sent with one more; a line of one dot ends the message and is none of it.
func (s *session) retrieve(number string, announced int64) (Message, error) {
	if err := s.command("RETR " + number); err != nil {
		return Message{}, err
	}
	t := newTally()
	for {
		line, err := s.r.ReadBytes('\n')
		if err != nil {
			return Message{}, err
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			return t.message(announced), nil
		}
		if line[0] == '.' {
			line = line[1:]
		}
		_, _ = t.Write(line) // a hash never fails
	}
}
