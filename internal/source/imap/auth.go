package imap

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/sasl"
)

// authenticate logs in by the best way offered and learns the capabilities
// that hold from then on.
func (p *preamble) authenticate(cfg Config) error {
	var r response
	var err error
	user, pass := cfg.Username, cfg.Password.RevealString()
	switch {
	case cfg.Token != nil:
		m, ok := sasl.Bearer(func(name string) bool { return p.caps["AUTH="+name] })
		if !ok {
			return sasl.Missing(p.host)
		}
		r, err = p.sasl(m.Name, m.Message(user, cfg.Host, cfg.Port, pass), m.Sorry)
	case p.caps["AUTH=PLAIN"]:
		r, err = p.sasl("PLAIN", "\x00"+user+"\x00"+pass, "*")
	case !p.caps["LOGINDISABLED"]:
		r, err = p.login(user, pass)
	default: // RFC 3501 6.2.3: LOGIN must not be tried
		return &mail.Fault{Class: mail.Login, Code: "oauth_required",
			Text: fmt.Sprintf("%s takes no passwords", p.host), Help: "connect the mailbox with the provider's own sign-in"}
	}
	if err != nil {
		return err
	}
	if r.status != "OK" {
		return r.refusal().login(cfg, sasl.Status(p.asked))
	}
	return p.capability()
}

// sasl runs AUTHENTICATE (RFC 3501 6.2.2) with one message of ours, in the
// command itself where the server takes it there (RFC 4959). A server that
// asks again explains why it refuses; afterwards is what ends that: "*" where nothing
// was to be said.
func (p *preamble) sasl(mech, message, afterwards string) (response, error) {
	message = base64.StdEncoding.EncodeToString([]byte(message))
	line, replies := "AUTHENTICATE "+mech, []string{message, afterwards}
	if p.caps["SASL-IR"] && len(message) < 6<<10 {
		line, replies = line+" "+message, replies[1:]
	}
	p.caps = nil // those from here on are not those before the login
	return p.command(line, replies...)
}

// login runs LOGIN (RFC 3501 6.2.3): in pieces, where a literal has to wait
// for the server's leave.
func (p *preamble) login(user, pass string) (response, error) {
	plus := p.caps["LITERAL+"] || p.caps["LITERAL-"] // RFC 7888
	line := "LOGIN " + astring(user, plus) + " " + astring(pass, plus)
	pieces := strings.Split(line, "}\r\n") // no quoted string holds CR or LF
	for i := range len(pieces) - 1 {
		pieces[i] += "}"
	}
	if plus {
		pieces = []string{line}
	}
	p.caps = nil
	return p.command(pieces[0], pieces[1:]...)
}

// astring writes s so that no octet of it can end the string: quoted where it
// is printable ASCII, else as a literal.
func astring(s string, plus bool) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0 && len(s) < 1000 {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	if plus {
		return fmt.Sprintf("{%d+}\r\n%s", len(s), s)
	}
	return fmt.Sprintf("{%d}\r\n%s", len(s), s)
}
