package definitions

import (
	"slices"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func isFetchmail(f file) bool { return f.anyLine("poll", "server", "skip", "defaults") }

// token is a word of a fetchmailrc. A quoted one is never a keyword.
type token struct {
	text         string
	line, column int
	quoted       bool
}

// The keywords by what follows them (fetchmail(1), "The run control file").
var (
	fmOne = split(`port service interval timeout auth authenticate interface monitor plugin plugout qvirtual principal esmtpname
		esmtppassword badheader retrieveerror sslproto sslcert sslkey sslcertfile sslcertpath sslcommonname sslfingerprint smtpaddress smtpname
		mda bsmtp preconnect postconnect limit warnings batchlimit fetchlimit fetchsizelimit fastuidl expunge properties via proto protocol
		user username pass password`)
	fmMany = split(`aka localdomains is to smtphost smtp fetchdomains antispam folder mailbox`)
	fmNone = split(`dns nodns uidl nouidl checkalias nocheckalias tracepolls notracepolls noenvelope ssl nossl sslcertck nosslcertck keep nokeep
		fetchall nofetchall flush noflush limitflush nolimitflush rewrite norewrite stripcr nostripcr forcecr noforcecr pass8bits nopass8bits
		dropstatus nodropstatus dropdelivered nodropdelivered mimedecode nomimedecode idle noidle lmtp`)
	fmNoise = split(`and with has wants options here there no mark`)
	fmEntry = split(`poll server skip defaults set envelope`)
)

func split(s string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		out[w] = true
	}
	return out
}

func (t token) keyword() bool {
	w := strings.ToLower(t.text)
	return !t.quoted && (fmOne[w] || fmMany[w] || fmNone[w] || fmNoise[w] || fmEntry[w])
}

// fetchmail reads word after word.
type fetchmail struct {
	*reader
	words []token
	next  int
}

// readFetchmail reads a fetchmailrc: servers, each with its users.
func readFetchmail(r *reader) {
	f := &fetchmail{reader: r}
	f.scan()
	var base fmServer // what "defaults" says
	var now *fmServer
	for f.next < len(f.words) {
		t := f.words[f.next]
		f.next++
		switch w := strings.ToLower(t.text); {
		case t.quoted || !t.keyword():
			f.problem(t.line, t.column, "word_unknown")
		case w == "set":
			f.set()
		case w == "defaults":
			f.close(now)
			base = fmServer{line: t.line, defaults: true}
			now = &base
		case w == "poll" || w == "server" || w == "skip":
			f.close(now)
			name, named := f.value(t)
			if now = nil; named {
				now = base.copy()
				now.line, now.name, now.skipped = t.line, name, w == "skip"
			}
		case fmNoise[w]:
			f.negated(w, now)
		case now == nil:
			f.problem(t.line, t.column, "before_server")
			f.argument(w, t)
		default:
			f.option(now, w, t)
		}
	}
	f.close(now)
}

// fmServer is an entry, and the user whose options are being read.
type fmServer struct {
	line              int
	name, via, proto  string
	port              int
	skipped, defaults bool
	own               fmUser // before the first user: for all of them
	users             []fmUser
}

type fmUser struct {
	line             int
	name, password   string
	ssl, tls1        bool
	keep, said, auth bool
	folders          []string
}

func (s *fmServer) copy() *fmServer {
	c := *s
	c.users, c.defaults, c.own.folders = nil, false, slices.Clone(s.own.folders)
	return &c
}

// user gives the one whose options are being read.
func (s *fmServer) user() *fmUser {
	if len(s.users) == 0 {
		return &s.own
	}
	return &s.users[len(s.users)-1]
}

// option reads one word of an entry and what follows it.
func (f *fetchmail) option(s *fmServer, w string, t token) {
	u := s.user()
	switch w {
	case "user", "username":
		name, ok := f.value(t)
		if ok {
			next := s.own
			next.line, next.name = t.line, name
			s.users = append(s.users, next)
		}
	case "pass", "password":
		u.password, _ = f.value(t)
	case "via":
		s.via, _ = f.value(t)
	case "proto", "protocol":
		s.proto, _ = f.value(t)
	case "port", "service":
		v, ok := f.value(t)
		if ok {
			s.port = f.service(v, t)
		}
	case "auth", "authenticate":
		v, _ := f.value(t)
		u.auth = strings.Contains(strings.ToLower(v), "oauth") || strings.EqualFold(v, "external")
	case "ssl":
		u.ssl = true
	case "nossl":
		u.ssl = false
	case "sslproto":
		_, _ = f.value(t)
		u.tls1 = true
	case "keep", "nokeep":
		u.keep, u.said = w == "keep", true
	case "folder", "mailbox":
		u.folders = f.list()
	default:
		f.argument(w, t)
	}
}

// argument passes over what a word takes along.
func (f *fetchmail) argument(w string, t token) {
	switch {
	case fmMany[w]:
		f.list()
	case fmOne[w]:
		_, _ = f.value(t)
	case w == "envelope": // a number may come first
		if v, ok := f.value(t); ok {
			if _, err := strconv.Atoi(v); err == nil {
				_, _ = f.value(t)
			}
		}
	}
}

// negated is "no keep" for "nokeep"; the other words mean nothing.
func (f *fetchmail) negated(w string, s *fmServer) {
	if w != "no" || f.next == len(f.words) {
		return
	}
	t := f.words[f.next]
	f.next++
	if s != nil && !t.quoted && strings.EqualFold(t.text, "keep") {
		u := s.user()
		u.keep, u.said = false, true
	}
}

// set passes over an option of the program.
func (f *fetchmail) set() {
	if f.next == len(f.words) {
		return
	}
	w := strings.ToLower(f.words[f.next].text)
	f.next++
	switch w {
	case "daemon", "logfile", "idfile", "pidfile", "postmaster", "properties":
		if f.next < len(f.words) && !f.words[f.next].keyword() {
			f.next++
		}
	case "no":
		f.next = min(f.next+1, len(f.words))
	}
}

// value gives the word that belongs to t, whatever it is.
func (f *fetchmail) value(t token) (string, bool) {
	if f.next == len(f.words) {
		f.problem(t.line, t.column, "value_missing")
		return "", false
	}
	f.next++
	return f.words[f.next-1].text, true
}

// list gives the words up to the next keyword.
func (f *fetchmail) list() (all []string) {
	for f.next < len(f.words) && !f.words[f.next].keyword() {
		all = append(all, f.words[f.next].text)
		f.next++
	}
	return all
}

func (f *fetchmail) service(v string, t token) int {
	switch strings.ToLower(v) {
	case "imap", "imap2":
		return 143
	case "imaps":
		return 993
	case "pop3", "pop-3":
		return 110
	case "pop3s":
		return 995
	}
	return f.port(v, t.line, t.column)
}

// close makes mailboxes of an entry's users.
func (f *fetchmail) close(s *fmServer) {
	if s == nil || s.defaults {
		return
	}
	if s.skipped {
		f.note(s.line, "inactive")
		return
	}
	users := s.users
	if len(users) == 0 {
		u := s.own
		u.line = s.line
		users = []fmUser{u}
	}
	protocol := ""
	switch p := strings.ToLower(s.proto); p {
	case "pop3", "apop", "rpop", "sdps":
		protocol = "pop3"
	case "imap", "imap4", "imap4rev1", "imap-k4", "imap-gss":
		protocol = "imap"
	case "", "auto":
		f.note(s.line, "protocol_guessed")
		protocol = byPort(s.port)
	default:
		f.problem(s.line, 0, "protocol")
		return
	}
	for _, u := range users {
		d := Definition{Line: u.line, Protocol: protocol, Host: s.name, Port: s.port, Security: "starttls", Username: u.name, Password: vault.NewSecret(u.password)}
		if s.via != "" {
			d.Name, d.Host = s.name, s.via
		}
		if u.ssl || s.port == 993 || s.port == 995 {
			d.Security = "tls"
		}
		if u.auth {
			f.note(u.line, "oauth")
			d.Password = vault.Secret{}
		}
		switch {
		case u.said && !u.keep:
			d.After = "delete"
		case !u.said:
			f.note(u.line, "keeps")
		}
		if protocol == "imap" {
			for _, name := range u.folders {
				d.Folders = append(d.Folders, account.Folder{Name: name})
			}
		}
		f.found(d)
	}
}

// scan takes the file apart: words, quoted ones with their escapes, comments;
// the separators mean nothing.
func (f *fetchmail) scan() {
	for i, l := range f.lines {
		for at := 0; at < len(l); {
			switch c := l[at]; {
			case c == '#':
				at = len(l)
			case strings.IndexByte(" \t\v\f\r=;:,", c) >= 0, c == '\\' && at == len(l)-1:
				at++
			case c == '"' || c == '\'':
				text, n, closed := quotation(l[at:])
				if !closed {
					f.problem(i+1, at+1, "quote_open")
				}
				f.words = append(f.words, token{text, i + 1, at + 1, true})
				at += n
			default:
				n := strings.IndexAny(l[at:], " \t\v\f\r=;:,\"'#")
				if n < 0 {
					n = len(l) - at
				}
				n = max(n, 1)
				f.words = append(f.words, token{l[at : at+n], i + 1, at + 1, false})
				at += n
			}
		}
	}
}

// quotation reads a quoted text with the escapes of C.
func quotation(s string) (text string, n int, closed bool) {
	var b strings.Builder
	for n = 1; n < len(s); n++ {
		switch c := s[n]; {
		case c == s[0]:
			return b.String(), n + 1, true
		case c == '\\' && n+1 < len(s):
			n++
			if i := strings.IndexByte("ntrb", s[n]); i >= 0 {
				b.WriteByte("\n\t\r\b"[i])
			} else {
				b.WriteByte(s[n])
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), n, false
}
