package imap

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Whatever a server says instead of the answer, the call ends, and with a Fault.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"",
		"* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n",
		"* 1 FETCH (UID 1 BODY[] {5}\r\nabc)\r\n",
		"* 1 FETCH (UID 1 BODY[] \"abc\")\r\n",
		"* 1 FETCH (UID 1 BODY[] NIL)\r\n",
		"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 1 EXPUNGE\r\n",
		"* 1 FETCH (BODYSTRUCTURE (((((((((((\r\n",
		"* 1 FETCH (ENVELOPE (NIL NIL NIL))\r\n",
		"* OK [UIDVALIDITY 2] new\r\n* BYE\r\n",
		"* ESEARCH (TAG \"T1\") UID ALL 1:4000000000\r\n",
		"+ go on\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, octets string) {
		s := piped(t, func(w io.Writer, tag, command string) {
			if strings.Contains(command, "BODY") {
				_, _ = io.WriteString(w, octets)
			}
			folder(w, tag, command, 3, 4)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		refs := []mail.Ref{{Folder: "INBOX", Validity: 1, UID: 1, Size: 3}, {Folder: "INBOX", Validity: 1, UID: 2, Size: 4}}
		for in, err := range s.Fetch(ctx, refs) {
			if _, ok := mail.AsFault(err); err != nil && !ok {
				t.Fatalf("%T: %v", err, err)
			}
			if in == nil || in.Body == nil {
				continue
			}
			n, err := io.Copy(io.Discard, in.Body)
			if _, ok := mail.AsFault(err); err != nil && !ok {
				t.Fatalf("%T: %v", err, err)
			}
			if err == nil && n != in.Size {
				t.Fatalf("%d octets of %d, and no error", n, in.Size)
			}
		}
	})
}

// Whatever a server says before the login, it ends with a Fault or a login,
// and no line of ours holds more than one command.
func FuzzPreamble(f *testing.F) {
	for _, seed := range []string{
		"* OK ready\r\n* CAPABILITY IMAP4rev1\r\nS1 OK x\r\nS2 OK in\r\n* CAPABILITY IMAP4rev1\r\nS3 OK x\r\n",
		"* OK [CAPABILITY AUTH=PLAIN] hi\r\n+ \r\n+ \r\nS1 NO [AUTHENTICATIONFAILED] no\r\n",
		"* OK [CAPABILITY LITERAL+ SASL-IR AUTH=PLAIN] hi\r\nS1 OK [CAPABILITY X] in\r\n",
		"* BYE [", "* PREAUTH\r\n", "+", "* OK [CAPABILITY",
	} {
		f.Add(seed, "ann", "secret")
	}
	f.Add("* OK [CAPABILITY X] hi\r\n+ go\r\n+ go\r\n+ go\r\n", "änn", `"}\`)
	f.Fuzz(func(t *testing.T, octets, user, pass string) {
		cfg := Config{Host: "mail.example", Security: TLS, Username: user, Folders: []string{"INBOX"}}
		cfg.Password = secret(pass)
		if cfg.check() != nil {
			return
		}
		conn := &canned{Reader: strings.NewReader(octets)}
		p := newPreamble("mail.example", conn)
		err := p.greet()
		if err == nil {
			err = p.capability()
		}
		if err == nil {
			err = p.authenticate(cfg)
		}
		if _, ok := mail.AsFault(err); err != nil && !ok {
			t.Fatalf("%T: %v", err, err)
		}
		for i, line := range strings.SplitAfter(conn.sent.String(), "\r\n") {
			if strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\n\x00") {
				t.Fatalf("line %d is %q", i, line)
			}
		}
		if n, most := strings.Count(conn.sent.String(), "\r\n"), strings.Count(octets, "\n")+6; n > most {
			t.Fatalf("%d lines sent for %d read: %s", n, most, fmt.Sprintf("%q", conn.sent.String()))
		}
	})
}
