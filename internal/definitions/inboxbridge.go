package definitions

import (
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

const bridged = "MAIL_ACCOUNT_"

func isInboxBridge(f file) bool {
	for _, l := range f.lines {
		if strings.HasPrefix(strings.TrimSpace(l), bridged) {
			return true
		}
	}
	return false
}

// readInboxBridge reads the mailboxes of an environment file:
// MAIL_ACCOUNT_0__HOST=… and so on, in any order. Other keys are none of ours.
func readInboxBridge(r *reader) {
	at := map[int]int{} // by the number of the account: its place in all
	var all []map[string]string
	var lines []int
	for i, l := range r.lines {
		key, value, ok := strings.Cut(strings.TrimSpace(l), "=")
		rest, ours := strings.CutPrefix(strings.TrimSpace(key), bridged)
		if !ours {
			continue
		}
		number, field, named := strings.Cut(rest, "__")
		n, err := strconv.Atoi(number)
		if !ok || !named || err != nil || n < 0 {
			r.problem(i+1, 0, "word_unknown")
			continue
		}
		if _, known := at[n]; !known {
			at[n] = len(all)
			all, lines = append(all, map[string]string{}), append(lines, i+1)
		}
		all[at[n]][field] = unquoted(strings.TrimSpace(value))
	}
	for i, m := range all {
		r.bridge(lines[i], m)
	}
}

func unquoted(s string) string {
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

func (r *reader) bridge(line int, m map[string]string) {
	if v, said := m["ENABLED"]; said && !yes(v) {
		r.note(line, "inactive")
		return
	}
	d := Definition{Line: line, Name: m["ID"], Protocol: protocolOf(m["PROTOCOL"]), Host: m["HOST"], Port: r.port(m["PORT"], line, 0),
		Security: "tls", Username: m["USERNAME"], Password: vault.NewSecret(m["PASSWORD"]), Label: m["CUSTOM_LABEL"]}
	if v, said := m["TLS"]; said && !yes(v) {
		d.Security = "starttls"
	}
	if strings.EqualFold(m["AUTH_METHOD"], "OAUTH2") {
		r.note(line, "oauth")
		d.Password = vault.Secret{}
	}
	if f := m["FOLDER"]; f != "" && d.Protocol != "pop3" {
		d.Folders = []account.Folder{{Name: f}}
	}
	if d.Protocol == "" {
		d.Protocol = byPort(d.Port)
	}
	r.found(d)
}
