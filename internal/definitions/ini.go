package definitions

import (
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func isGetmail(f file) bool { return f.anyLine("[retriever]") }

// section is a part of a getmailrc.
type section struct {
	name   string
	line   int
	values map[string]string
	lines  map[string]int
}

// longest is what a value may grow to.
const longest = 8 << 10

// sections reads the form of Python's ConfigParser: names in brackets, then
// key = value or key: value; what is indented goes on with the value before.
func (r *reader) sections() (all []section) {
	key := ""
	for i, l := range r.lines {
		text := strings.TrimSpace(l)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case l[0] == ' ' || l[0] == '\t':
			if key != "" {
				if s := &all[len(all)-1]; len(s.values[key]) < longest {
					s.values[key] += "\n" + text
				}
			}
		case text[0] == '[':
			name, _, closed := strings.Cut(text[1:], "]")
			if key = ""; !closed {
				r.problem(i+1, len(l), "quote_open")
			}
			all = append(all, section{strings.ToLower(name), i + 1, map[string]string{}, map[string]int{}})
		case len(all) == 0:
			r.problem(i+1, 0, "section_unknown")
		default:
			n := strings.IndexAny(text, "=:")
			if key = ""; n < 1 {
				r.problem(i+1, 0, "value_missing")
				continue
			}
			key = strings.ToLower(strings.TrimSpace(text[:n]))
			s := &all[len(all)-1]
			s.values[key], s.lines[key] = strings.TrimSpace(text[n+1:]), i+1
		}
	}
	return all
}

// readGetmail reads getmailrc files, several of them one after the other if
// need be: each retriever is a mailbox, the options behind it are its own.
func readGetmail(r *reader) {
	all := r.sections()
	for i, s := range all {
		if s.name != "retriever" {
			continue
		}
		options := map[string]string{}
		for _, o := range all[i+1:] {
			if o.name == "retriever" {
				break
			}
			if o.name == "options" {
				options = o.values
			}
		}
		r.retriever(s, options)
	}
}

func (r *reader) retriever(s section, options map[string]string) {
	d := Definition{Line: s.line, Host: s.values["server"], Port: r.port(s.values["port"], s.lines["port"], 0), Username: s.values["username"],
		Password: vault.NewSecret(s.values["password"]), Security: "starttls"}
	kind := strings.ToLower(s.values["type"])
	switch {
	case strings.Contains(kind, "pop3"):
		d.Protocol = "pop3"
	case strings.Contains(kind, "imap"):
		d.Protocol = "imap"
	default:
		r.problem(max(s.line, s.lines["type"]), 0, "retriever")
		return
	}
	if strings.Contains(kind, "ssl") {
		d.Security = "tls"
	}
	if s.values["password_command"] != "" {
		r.note(s.lines["password_command"], "password_elsewhere")
	}
	if yes(s.values["use_xoauth2"]) {
		r.note(s.lines["use_xoauth2"], "oauth")
		d.Password = vault.Secret{}
	}
	for _, name := range tuple(s.values["mailboxes"]) {
		d.Folders = append(d.Folders, account.Folder{Name: name})
	}
	if boxes := s.values["mailboxes"]; boxes != "" && len(d.Folders) == 0 {
		r.note(s.lines["mailboxes"], "folders_open")
	}
	if n, err := strconv.Atoi(options["delete_after"]); err == nil && n > 0 {
		d.After = account.After{Do: "delete", Days: n}.String()
	} else if yes(options["delete"]) {
		d.After = "delete"
	}
	r.found(d)
}

// tuple reads the texts of ("INBOX", 'Sent'); a word without quotation marks is
// none of them.
func tuple(s string) (all []string) {
	for at := 0; at < len(s); {
		if s[at] != '"' && s[at] != '\'' {
			at++
			continue
		}
		text, n, closed := quotation(s[at:])
		if closed && text != "" {
			all = append(all, text)
		}
		at += n
	}
	return all
}
