package definitions

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func isJSON(f file) bool {
	data := bytes.TrimSpace(f.data)
	return data[0] == '[' || data[0] == '{'
}

// loose is a text, a number or a truth: programs differ, and so do their releases.
type loose string

func (l *loose) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = strings.Trim(string(b), `"`)
	}
	*l = loose(s)
	return nil
}

// wellFormed reports whether it is JSON at all, and notes where it is not.
func (r *reader) wellFormed() bool {
	var all json.RawMessage
	err := json.Unmarshal(r.data, &all)
	if err == nil {
		return true
	}
	var s *json.SyntaxError
	at := int64(0)
	if errors.As(err, &s) {
		at = s.Offset - 1
	}
	line, column := r.place(at)
	r.problem(line, column, "json")
	return false
}

// objects gives each object of a list, or the one that there is, with its line.
func (r *reader) objects(dec *json.Decoder, each func(line int, raw json.RawMessage)) {
	from := dec.InputOffset()
	line, _ := r.place(from)
	for dec.More() && !r.full() {
		at := dec.InputOffset()
		for at < int64(len(r.data)) && strings.IndexByte(", \t\r\n", r.data[at]) >= 0 {
			at++
		}
		line += bytes.Count(r.data[from:at], []byte("\n")) // not from the beginning each time
		from = at
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return // it is well-formed: there is no more
		}
		if len(raw) == 0 || raw[0] != '{' {
			r.problem(line, 0, "json_shape")
			continue
		}
		each(line, raw)
	}
	_, _ = dec.Token()
}

// full reports that there is no room for more, of either kind.
func (r *reader) full() bool { return len(r.Found) == MaxFound || len(r.Problems) > maxProblems }

// readMailcow reads the sync jobs of mailcow's API (/api/v1/get/syncjobs/…): a
// list of objects, or one.
func readMailcow(r *reader) {
	if !r.wellFormed() {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(r.data))
	if bytes.TrimSpace(r.data)[0] == '[' {
		_, _ = dec.Token()
	}
	r.objects(dec, func(line int, raw json.RawMessage) {
		var j struct {
			Host     loose `json:"host1"`
			Port     loose `json:"port1"`
			User     loose `json:"user1"`
			Password loose `json:"password1"`
			Security loose `json:"enc1"`
			Minutes  loose `json:"mins_interval"`
			Delete   loose `json:"delete1"`
			Active   loose `json:"active"`
		}
		if json.Unmarshal(raw, &j) != nil {
			r.problem(line, 0, "json_shape")
			return
		}
		if j.Active != "" && !yes(string(j.Active)) {
			r.note(line, "inactive")
			return
		}
		d := Definition{Line: line, Protocol: "imap", Host: string(j.Host), Port: r.port(string(j.Port), line, 0), Username: string(j.User),
			Password: vault.NewSecret(string(j.Password)), Every: minutes(string(j.Minutes))}
		switch strings.ToUpper(string(j.Security)) { // imapsync's words: TLS is STARTTLS there
		case "TLS":
			d.Security = "starttls"
		case "SSL", "":
			d.Security = "tls"
		default:
			d.Security = "none"
		}
		if yes(string(j.Delete)) {
			d.After = "delete"
		}
		r.found(d)
	})
}

// minutes reads a pause, within what a mailbox may have.
func minutes(s string) time.Duration {
	d, err := time.ParseDuration(s + "m")
	if err != nil || d <= 0 {
		return 0
	}
	return min(max(d, time.Minute), 24*time.Hour)
}

func isTurbogmailify(f file) bool {
	return isJSON(f) && bytes.Contains(f.data, []byte(`"Imap"`)) && bytes.TrimSpace(f.data)[0] == '{'
}

// readTurbogmailify reads the servers of its one object. Labels are ids there,
// which mean nothing elsewhere, but for Gmail's own.
func readTurbogmailify(r *reader) {
	if !r.wellFormed() {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(r.data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		r.problem(1, 0, "json_shape")
		return
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return
		}
		line, column := r.place(dec.InputOffset())
		var value json.RawMessage
		if key != "Imap" {
			err = dec.Decode(&value)
		} else if t, _ := dec.Token(); t == json.Delim('[') {
			r.objects(dec, r.turbo)
		} else {
			r.problem(line, column, "json_shape")
			return
		}
		if err != nil {
			return
		}
	}
}

func (r *reader) turbo(line int, raw json.RawMessage) {
	var s struct {
		Address, Username, Password loose
		Folders                     map[string][]string
		ArchiveFolders              map[string]string
	}
	if json.Unmarshal(raw, &s) != nil {
		r.problem(line, 0, "json_shape")
		return
	}
	d := Definition{Line: line, Protocol: "imap", Security: "tls", Username: string(s.Username), Password: vault.NewSecret(string(s.Password))}
	host, port, err := net.SplitHostPort(string(s.Address))
	if d.Host = host; err != nil {
		d.Host = string(s.Address)
	}
	d.Port = r.port(port, line, 0)
	for _, name := range slices.Sorted(maps.Keys(s.Folders)) {
		f := account.Folder{Name: name}
		for _, label := range s.Folders[name] {
			switch {
			case label == "INBOX" || label == "UNREAD":
			case label == "SPAM":
				f.Spam = true
			default:
				r.note(line, "label_id")
			}
		}
		d.Folders = append(d.Folders, f)
	}
	if to := s.ArchiveFolders["*"]; to != "" {
		d.After = "move:" + to
	} else {
		r.note(line, "keeps")
	}
	r.found(d)
}
