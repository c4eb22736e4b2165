package definitions

import (
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func isMbsync(f file) bool { return f.anyLine("IMAPAccount", "IMAPStore") }

// mbAccount is an IMAPAccount, or an IMAPStore that has its settings in itself.
type mbAccount struct {
	Definition
	name    string
	folders bool // some are chosen by a pattern
	alias   bool // it is none of its own: a store that uses an account, or one that a command leads to
}

// readMbsync reads an mbsyncrc: accounts, the stores that use them, and the
// channels that say which folders of a store are wanted.
func readMbsync(r *reader) {
	m := &mbsync{reader: r, accounts: map[string]*mbAccount{}, stores: map[string]*mbAccount{}}
	for i, l := range r.lines {
		if words := m.split(i+1, l); len(words) > 0 {
			m.line(i+1, strings.ToLower(words[0]), words[1:])
		}
	}
	for _, a := range m.order {
		if a.alias {
			continue
		}
		if a.folders {
			m.note(a.Line, "folders_open")
		}
		m.found(a.Definition)
	}
}

type mbsync struct {
	*reader
	accounts, stores map[string]*mbAccount
	order            []*mbAccount
	now              *mbAccount // whose settings are being read
	store            string     // its name, where it is a store
	channel          *mbAccount // whose folders a channel is about
	inChannel        bool
}

// split takes a line apart: words, those with spaces in quotation marks.
func (m *mbsync) split(n int, l string) (words []string) {
	for at := 0; at < len(l); {
		switch c := l[at]; {
		case c == ' ' || c == '\t':
			at++
		case c == '#' && len(words) == 0:
			return nil
		case c == '"':
			text, size, closed := quotation(l[at:])
			if !closed {
				m.problem(n, at+1, "quote_open")
			}
			words, at = append(words, text), at+size
		default:
			size := strings.IndexAny(l[at:], " \t")
			if size < 0 {
				size = len(l) - at
			}
			words, at = append(words, l[at:at+size]), at+size
		}
	}
	return words
}

func (m *mbsync) line(n int, key string, values []string) {
	value := ""
	if len(values) > 0 {
		value = values[0]
	}
	switch key {
	case "imapaccount", "imapstore":
		m.now = &mbAccount{name: value, Definition: Definition{Line: n, Protocol: "imap", Security: "starttls"}}
		m.order, m.inChannel = append(m.order, m.now), false
		if key == "imapaccount" {
			m.accounts[value], m.store = m.now, ""
		} else {
			m.stores[value], m.store = m.now, value
		}
		return
	case "maildirstore", "group":
		m.now, m.inChannel = nil, false
		return
	case "channel":
		m.now, m.channel, m.inChannel = nil, nil, true
		return
	}
	if m.inChannel {
		m.chosen(key, values)
		return
	}
	if m.now != nil {
		m.setting(n, key, value)
	}
}

// setting is a line of an account, or of a store.
func (m *mbsync) setting(n int, key, value string) {
	d := &m.now.Definition
	switch key {
	case "host":
		d.Host = value
		if rest, is := strings.CutPrefix(value, "imaps:"); is {
			d.Host, d.Security = rest, "tls"
		}
	case "port":
		d.Port = m.port(value, n, 0)
		if d.Port == 993 {
			d.Security = "tls"
		}
	case "user":
		d.Username = value
	case "pass":
		d.Password = vault.NewSecret(value)
	case "passcmd", "usercmd", "usekeychain":
		m.note(n, "password_elsewhere")
	case "tunnel":
		m.problem(n, 0, "tunnel")
		m.now.alias = true
	case "ssltype", "tlstype":
		switch strings.ToLower(value) {
		case "imaps":
			d.Security = "tls"
		case "starttls":
			d.Security = "starttls"
		case "none":
			d.Security = "none"
		default:
			m.problem(n, 0, "word_unknown")
		}
	case "useimaps":
		if yes(value) {
			d.Security = "tls"
		}
	case "authmechs":
		if strings.EqualFold(value, "XOAUTH2") || strings.EqualFold(value, "OAUTHBEARER") {
			m.note(n, "oauth")
		}
	case "account":
		m.now.alias = true
		if a := m.accounts[value]; a != nil {
			m.stores[m.store] = a
			return
		}
		m.problem(n, 0, "account_unknown")
	}
}

// chosen is a line of a channel: which store, which folders.
func (m *mbsync) chosen(key string, values []string) {
	if len(values) == 0 {
		return
	}
	switch key {
	case "far", "near", "master", "slave":
		parts := strings.SplitN(values[0], ":", 3)
		if len(parts) == 3 && m.stores[parts[1]] != nil {
			m.channel = m.stores[parts[1]]
			if parts[2] != "" {
				m.folder(parts[2])
			}
		}
	case "pattern", "patterns":
		if m.channel == nil {
			return
		}
		for _, p := range values { // as the program has it: later ones may take back
			switch {
			case strings.HasPrefix(p, "!"):
			case strings.ContainsAny(p, "*%"):
				m.channel.folders = true
			default:
				m.folder(p)
			}
		}
	}
}

func (m *mbsync) folder(name string) {
	for _, f := range m.channel.Folders {
		if f.Name == name {
			return
		}
	}
	if len(m.channel.Folders) < 100 {
		m.channel.Folders = append(m.channel.Folders, account.Folder{Name: name})
	}
}
