package definitions

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// columns are the names that a table may use for what it says.
var columns = map[string]string{
	"name": "name", "title": "name",
	"protocol": "protocol", "type": "protocol", "proto": "protocol",
	"host": "host", "server": "host", "hostname": "host", "imap host": "host",
	"port":     "port",
	"security": "security", "ssl": "security", "tls": "security", "encryption": "security",
	"username": "username", "user": "username", "login": "username", "email": "username", "address": "username",
	"password": "password", "pass": "password",
	"folders": "folders", "folder": "folders",
	"label":        "label",
	"after_import": "after", "after": "after", "after import": "after",
}

func separator(header string) rune {
	best := ','
	for _, c := range ";\t" {
		if strings.Count(header, string(c)) > strings.Count(header, string(best)) {
			best = c
		}
	}
	return best
}

func isCSV(f file) bool {
	names := strings.Split(f.lines[0], string(separator(f.lines[0])))
	known := 0
	for _, n := range names {
		if columns[heading(n)] != "" {
			known++
		}
	}
	return known > 1
}

func heading(s string) string { return strings.ToLower(strings.Trim(s, " \t\"'")) }

// readCSV reads a table whose first line names the columns. A broken quotation
// ends the reading: nobody can tell where the next line begins.
func readCSV(r *reader) {
	in := csv.NewReader(bytes.NewReader(r.data))
	in.Comma, in.FieldsPerRecord, in.ReuseRecord = separator(r.lines[0]), -1, true
	head, err := in.Read()
	if err != nil {
		r.csvFault(err)
		return
	}
	place := map[string]int{}
	for i, n := range head {
		what := columns[heading(n)]
		if _, twice := place[what]; twice && what != "" {
			_, column := in.FieldPos(i)
			r.problem(1, column, "column_twice")
			return
		}
		place[what] = i
	}
	width := len(head)
	_, host := place["host"]
	_, user := place["username"]
	if !host || !user {
		r.problem(1, 0, "header")
		return
	}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.csvFault(err)
			return
		}
		line, _ := in.FieldPos(0)
		if len(row) > width {
			r.problem(line, 0, "columns")
			continue
		}
		r.row(line, func(what string) (string, int) {
			i, ok := place[what]
			if !ok || i >= len(row) {
				return "", 0
			}
			_, column := in.FieldPos(i)
			return row[i], column
		})
	}
}

func (r *reader) csvFault(err error) {
	var e *csv.ParseError
	if !errors.As(err, &e) {
		r.problem(1, 0, "header")
		return
	}
	r.problem(e.StartLine, 0, "csv")
}

// row is one mailbox. A value may be missing, but for host and user name.
func (r *reader) row(line int, get func(string) (string, int)) {
	text := func(what string) string { s, _ := get(what); return strings.TrimSpace(s) }
	password, _ := get("password")
	port, column := get("port")
	d := Definition{Line: line, Name: text("name"), Host: text("host"), Port: r.port(port, line, column),
		Protocol: protocolOf(text("protocol")), Security: securityOf(text("security")), Username: text("username"),
		Password: vault.NewSecret(password), Label: text("label"), After: strings.ToLower(text("after"))}
	if kind, folder, moved := strings.Cut(text("after"), ":"); moved && strings.EqualFold(kind, "move") {
		d.After = "move:" + folder
	}
	for f := range strings.SplitSeq(text("folders"), "|") {
		if f = strings.TrimSpace(f); f != "" {
			name, label, _ := strings.Cut(f, "=")
			d.Folders = append(d.Folders, account.Folder{Name: name, Label: label})
		}
	}
	if d.Protocol == "" {
		d.Protocol = byPort(d.Port)
	}
	r.found(d)
}

// protocolOf reads a protocol; what it does not know it leaves to the check.
func protocolOf(s string) string {
	switch s = strings.ToLower(s); s {
	case "imap", "imaps", "imap4", "imap4rev1":
		return "imap"
	case "pop", "pop3", "pops", "pop3s":
		return "pop3"
	}
	return s
}

// byPort guesses the protocol of a table without one.
func byPort(port int) string {
	if port == 110 || port == 995 {
		return "pop3"
	}
	return "imap"
}

// securityOf reads how a connection is secured.
func securityOf(s string) string {
	switch s = strings.ToLower(s); s {
	case "ssl", "tls", "ssl/tls", "imaps", "pop3s", "yes", "true", "1", "on":
		return "tls"
	case "starttls", "stls":
		return "starttls"
	case "no", "false", "0", "off", "none", "plain":
		return "none"
	}
	return s
}
