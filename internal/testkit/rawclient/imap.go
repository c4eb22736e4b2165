package rawclient

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// readIMAP is RFC 9051, with EXAMINE and BODY.PEEK so that nothing changes.
func readIMAP(s *session, c Config) ([]Message, error) {
	greeting, err := s.line()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(greeting, "* OK") {
		return nil, fmt.Errorf("greeting %q", greeting)
	}
	if c.StartTLS {
		if err := s.tagged("STARTTLS", nil); err != nil {
			return nil, err
		}
		if err := s.secure(s.ctx, c.TLS); err != nil {
			return nil, err
		}
	}
	folder := c.Folder
	if folder == "" {
		folder = "INBOX"
	}
	for _, line := range []string{"LOGIN " + quote(c.User) + " " + quote(c.Password), "EXAMINE " + quote(folder)} {
		if err := s.tagged(line, nil); err != nil {
			return nil, err
		}
	}
	var all []Message
	fetch := func(line string) error {
		m, found, err := s.fetched(line)
		if found {
			all = append(all, m)
		}
		return err
	}
	if err := s.tagged("UID FETCH 1:* (RFC822.SIZE BODY.PEEK[])", fetch); err != nil {
		return nil, err
	}
	return all, s.tagged("LOGOUT", nil)
}

// tagged sends a command, gives untagged lines to each, and wants OK.
func (s *session) tagged(command string, each func(line string) error) error {
	if err := s.send("a " + command); err != nil {
		return err
	}
	for {
		line, err := s.line()
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(line, "a OK"):
			return nil
		case strings.HasPrefix(line, "a "):
			return fmt.Errorf("%s: %q", strings.Fields(command)[0], line)
		case each != nil:
			if err := each(line); err != nil {
				return err
			}
		}
	}
}

var (
	announcedSize = regexp.MustCompile(`RFC822\.SIZE (\d+)`)
	literalSize   = regexp.MustCompile(`BODY\[\] \{(\d+)\}$`)
)

// fetched reads the literal that line announces, up to the end of the response.
func (s *session) fetched(line string) (m Message, found bool, err error) {
	body := literalSize.FindStringSubmatch(line)
	if body == nil {
		if strings.Contains(line, " FETCH ") {
			return m, false, fmt.Errorf("no literal in %q", line)
		}
		return m, false, nil // EXISTS and the like
	}
	size, err := strconv.ParseInt(body[1], 10, 64)
	if err != nil {
		return m, false, err
	}
	t := newTally()
	if _, err := io.CopyN(t, s.r, size); err != nil {
		return m, false, err
	}
	rest, err := s.line()
	if err != nil {
		return m, false, err
	}
	announced := announcedSize.FindStringSubmatch(line + rest)
	if announced == nil || !strings.HasSuffix(rest, ")") {
		return m, false, fmt.Errorf("a response ends with %q", rest)
	}
	n, err := strconv.ParseInt(announced[1], 10, 64)
	return t.message(n), true, err
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
