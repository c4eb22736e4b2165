// Package definitions reads which mailboxes another program fetches from that
// program's configuration, for people who come from there.
//
//	CSV (a table with a header), fetchmailrc, getmailrc, mbsyncrc, the sync jobs
//	of mailcow (JSON of its API), the environment of InboxBridge, the
//	configuration of Turbogmailify
//
// A file is a stranger's: it is bounded in size, in what it may define and in
// what may be said about it. What cannot be read is named by its line, column
// and a word of ours (Problem); nothing that stands in the file is ever quoted,
// since a password may stand where none is looked for. Nothing is connected to,
// and what is found has not been checked: that is for whoever makes mailboxes.
//
// Programs that delete what they have fetched unless told otherwise (fetchmail,
// Turbogmailify) do not do so here: a policy is taken over where it was written
// down, and a Problem of kind Note says what is different.
package definitions

import (
	"bytes"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Bounds of a file.
const (
	MaxSize     = 256 << 10 // octets
	MaxFound    = 500       // mailboxes
	maxProblems = 200
)

// Definition is a mailbox as a file has it.
type Definition struct {
	Line     int
	Name     string
	Protocol string // "imap", "pop3"
	Host     string
	Port     int          // 0: the protocol's own
	Security string       // "tls", "starttls"; anything else is none that is used here
	Username string       //
	Password vault.Secret // empty: it does not stand there
	Folders  []account.Folder
	Label    string
	After    string        // see account.After; "": not said
	Every    time.Duration // 0: not said
}

// Problem is what could not be read, or is otherwise here.
type Problem struct {
	Line   int // from 1
	Column int // in octets, from 1; 0: all of the line
	Code   string
	Note   bool // it keeps nothing from being made
}

// Text says what is wrong; Help what to do. They are made of the code alone.
func (p Problem) Text() string { return words[p.Code][0] }

// Help says what to do.
func (p Problem) Help() string { return words[p.Code][1] }

// Result is what a file says.
type Result struct {
	Format   string
	Found    []Definition
	Problems []Problem // by line
}

// formats, by the name of the API.
var formats = []struct {
	name string
	is   func(file) bool
	read func(*reader)
}{
	{"getmail", isGetmail, readGetmail}, // before JSON, which begins with a bracket as well
	{"turbogmailify", isTurbogmailify, readTurbogmailify},
	{"mailcow", isJSON, readMailcow},
	{"inboxbridge", isInboxBridge, readInboxBridge},
	{"mbsync", isMbsync, readMbsync},
	{"fetchmail", isFetchmail, readFetchmail},
	{"csv", isCSV, readCSV},
}

// Formats gives the names of the formats that are understood.
func Formats() (names []string) {
	for _, f := range formats {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return names
}

// Read reads a file. An empty format is found out; one that is none of Formats
// gives a Problem as everything else does.
func Read(format string, data []byte) Result {
	r := &reader{file: newFile(data)}
	r.Format = format
	switch {
	case len(data) > MaxSize:
		r.problem(1, 0, "file_too_large")
	case !utf8.Valid(data):
		r.problem(1, 0, "not_utf8")
	case len(bytes.TrimSpace(data)) == 0:
		r.problem(1, 0, "file_empty")
	default:
		r.read()
	}
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return a.Line - b.Line })
	return r.Result
}

type reader struct {
	file
	Result
}

func (r *reader) read() {
	for _, f := range formats {
		if r.Format == f.name || r.Format == "" && f.is(r.file) {
			r.Format = f.name
			f.read(r)
			if len(r.Found)+len(r.Problems) == 0 {
				r.problem(1, 0, "nothing_found")
			}
			return
		}
	}
	r.problem(1, 0, "format_unknown")
}

// problem notes what could not be read.
func (r *reader) problem(line, column int, code string) { r.add(Problem{line, column, code, false}) }

// note says what is otherwise here.
func (r *reader) note(line int, code string) { r.add(Problem{line, 0, code, true}) }

func (r *reader) add(p Problem) {
	if _, ok := words[p.Code]; !ok {
		panic("definitions: no words for " + p.Code)
	}
	p.Line = max(1, p.Line)
	switch {
	case len(r.Problems) < maxProblems:
		r.Problems = append(r.Problems, p)
	case len(r.Problems) == maxProblems:
		r.Problems = append(r.Problems, Problem{Line: p.Line, Code: "too_many_problems"})
	}
}

// found takes a definition, unless there are too many.
func (r *reader) found(d Definition) {
	if d.Host == "" {
		r.problem(d.Line, 0, "host_missing")
		return
	}
	if len(r.Found) == MaxFound {
		if !slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Code == "too_many_mailboxes" }) {
			r.problem(d.Line, 0, "too_many_mailboxes")
		}
		return
	}
	if d.Password.Empty() {
		r.note(d.Line, "password_missing")
	}
	r.Found = append(r.Found, d)
}

// words are all that is ever said: the thing, and what to do.
var words = map[string][2]string{
	"file_too_large":     {"the file has more than 256 KiB", "take out what does not define mailboxes"},
	"not_utf8":           {"the file is not text in UTF-8", "save it as UTF-8"},
	"file_empty":         {"there is nothing in it", "paste the whole file"},
	"format_unknown":     {"nobody knows what kind of file this is", "choose its format, or make a table (CSV) with the columns protocol, host, username and password"},
	"nothing_found":      {"no mailbox is defined in it", "check that the whole file is there, and its format"},
	"too_many_mailboxes": {"there are more than 500 mailboxes", "bring the rest as another file"},
	"too_many_problems":  {"there is more of this kind", "correct the first ones and try again"},
	"host_missing":       {"it does not say on which server the mailbox is", "add the host"},
	"password_missing":   {"no password stands there", "enter it in the settings of the mailbox: until then it waits"},
	"password_elsewhere": {"the password comes from a command or a file", "enter it in the settings of the mailbox: commands are not run here"},
	"oauth":              {"this mailbox is opened by a token of its provider", "connect it with the provider's sign-in, or enter an app password"},
	"word_unknown":       {"there is a word here that is not understood", "it was left out; look whether it matters"},
	"value_missing":      {"a value is missing here", "add it, or take the word out"},
	"quote_open":         {"a quotation does not end", "add the missing quotation mark"},
	"number":             {"a number is wanted here", "write digits only"},
	"before_server":      {"this belongs to no server", "it must come after the line that names one"},
	"protocol":           {"this protocol is not fetched from", "only IMAP and POP3 are"},
	"protocol_guessed":   {"the protocol was to be found out", "IMAP was taken; change the file if the server has POP3 only"},
	"inactive":           {"it is switched off there", "it was left out; switch it on in the file to bring it"},
	"keeps":              {"that program deletes what it has fetched", "here the original stays; choose otherwise in the settings of the mailbox"},
	"folders_open":       {"folders were named by a pattern", "only those with a name were taken over; choose others in the settings of the mailbox"},
	"label_id":           {"a label was named by its number", "numbers differ between accounts; choose the label in the settings of the mailbox"},
	"header":             {"the first line must name the columns", "name at least host and username, such as: protocol,host,username,password"},
	"column_twice":       {"a column is there twice", "take one of them out"},
	"csv":                {"this is no line of a table", "put a value with quotation marks or line breaks into quotation marks, and double those within"},
	"columns":            {"the line has more values than there are columns", "put values with the separator in them into quotation marks"},
	"json":               {"this is not JSON", "a comma, a brace or a quotation mark is missing or too much here"},
	"json_shape":         {"this does not have the form that it should", "paste what the program gives, all of it"},
	"section_unknown":    {"a value stands outside of a section", "the section's name in brackets must come before it"},
	"retriever":          {"this kind of retriever is not understood", "use SimpleIMAPSSLRetriever, SimplePOP3SSLRetriever or their like"},
	"tunnel":             {"the connection is made by a command", "commands are not run here; give host and port"},
	"account_unknown":    {"it names an account that is not defined", "add the account to the file"},
}
