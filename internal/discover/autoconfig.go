package discover

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Limits of a provider's file.
const (
	maxFile    = 64 << 10
	maxDepth   = 16
	maxServers = 8
)

// autoconfig asks the provider for its file, at both places where it may be. The
// address is not sent along, although the format has a place for it: which
// mailboxes somebody has is not for a web server's log.
func (f *Finder) autoconfig(ctx context.Context, a address) []Candidate {
	places := []string{
		"https://autoconfig." + a.domain + "/mail/config-v1.1.xml",
		"https://" + a.domain + "/.well-known/autoconfig/mail/config-v1.1.xml",
	}
	files := make([][]Candidate, len(places))
	all(len(places), func(i int) {
		file, err := f.web.Get(ctx, places[i])
		if err != nil {
			return
		}
		servers, err := parseAutoconfig(file)
		if err != nil {
			return
		}
		files[i] = f.usable(ctx, offered(servers, a))
	})
	for _, found := range files {
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

func offered(servers []server, a address) (out []Candidate) {
	for _, s := range servers {
		if c, ok := s.candidate(a, "autoconfig"); ok {
			out = append(out, c)
		}
	}
	return out
}

var errAutoconfig = errors.New("discover: not an autoconfig file")

// parseAutoconfig reads the incoming servers of a clientConfig 1.1, in the
// provider's order. A DTD is refused, and with it every entity of the file's
// own; what is longer, deeper or more than the limits is refused as a whole.
func parseAutoconfig(file []byte) ([]server, error) {
	if len(file) > maxFile {
		return nil, errAutoconfig
	}
	d := xml.NewDecoder(bytes.NewReader(file))
	p := xmlPath{}
	for {
		t, err := d.RawToken()
		switch {
		case err == io.EOF && p.done:
			return p.servers, nil
		case err != nil:
			return nil, errAutoconfig
		}
		if !p.take(t) {
			return nil, errAutoconfig
		}
	}
}

// xmlPath is the place in the file, and what was found on the way. RawToken
// leaves it to us whether the tags match.
type xmlPath struct {
	names   []string
	text    strings.Builder
	servers []server
	done    bool // the root was closed
}

const serverPath = "clientConfig/emailProvider/incomingServer"

func (p *xmlPath) take(t xml.Token) bool {
	switch t := t.(type) {
	case xml.Directive:
		return false
	case xml.StartElement:
		return p.open(t)
	case xml.CharData:
		p.text.Write(t)
	case xml.EndElement:
		return p.close(t)
	}
	return true
}

func (p *xmlPath) open(t xml.StartElement) bool {
	if p.done || len(p.names) == maxDepth || len(p.names) == 0 && t.Name.Local != "clientConfig" {
		return false
	}
	p.names = append(p.names, t.Name.Local)
	p.text.Reset()
	if strings.Join(p.names, "/") != serverPath {
		return true
	}
	s := server{}
	for _, a := range t.Attr {
		if a.Name.Local == "type" {
			s.Type = a.Value
		}
	}
	p.servers = append(p.servers, s)
	return len(p.servers) <= maxServers
}

func (p *xmlPath) close(t xml.EndElement) bool {
	last := len(p.names) - 1
	if last < 0 || p.names[last] != t.Name.Local {
		return false
	}
	if parent, field := strings.Join(p.names[:last], "/"), p.names[last]; parent == serverPath {
		p.servers[len(p.servers)-1].set(field, strings.TrimSpace(p.text.String()))
	}
	p.text.Reset()
	p.names = p.names[:last]
	p.done = last == 0
	return true
}

func (s *server) set(field, value string) {
	switch field {
	case "hostname":
		s.Host = value
	case "port":
		s.Port, _ = strconv.Atoi(value) // 0 is no port anybody may use
	case "socketType":
		s.Socket = value
	case "username":
		s.Username = value
	case "authentication":
		s.Auth = append(s.Auth, value)
	}
}
