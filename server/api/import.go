package api

import (
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/definitions"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// MailboxesImport brings the mailboxes of another program's configuration.
type MailboxesImport struct {
	Format  string `json:"format,omitempty" enum:"csv,fetchmail,getmail,inboxbridge,mailcow,mbsync,turbogmailify" doc:"Left out: it is found out."`
	Text    string `json:"text" doc:"The file, of at most 256 KiB. What stands in it is never given back."`
	History string `json:"history" enum:"all,new,since" doc:"For all of them: which of the mail that is there already."`
	Since   string `json:"since,omitempty" doc:"For history since: a date, or a time (RFC 3339)."`
	DryRun  bool   `json:"dry_run,omitempty" doc:"Say what would be made, and make nothing."`
}

// MailboxesImported is what became of each definition, by the lines of the file.
type MailboxesImported struct {
	Format    string            `json:"format" doc:"Empty: nobody knows."`
	DryRun    bool              `json:"dry_run"`
	Mailboxes []ImportedMailbox `json:"mailboxes"`
	Problems  []ImportProblem   `json:"problems" doc:"What could not be read or made, and what is otherwise here, by line."`
}

// ImportedMailbox is a definition of the file.
type ImportedMailbox struct {
	Line        int      `json:"line"`
	Status      string   `json:"status" enum:"created,ready,duplicate,refused" doc:"ready: a dry run would have made it; refused: the problems of its line say why."`
	ID          string   `json:"id,omitempty" doc:"Of the mailbox that was made, or that is there already."`
	Name        string   `json:"name"`
	Protocol    string   `json:"protocol"`
	Host        string   `json:"host"`
	Port        int      `json:"port"`
	Security    string   `json:"security"`
	Username    string   `json:"username"`
	HasPassword bool     `json:"has_password"`
	Folders     []Folder `json:"folders"`
	Label       string   `json:"label"`
	AfterImport string   `json:"after_import"`
}

// ImportProblem is what is wrong with a line, or otherwise here.
type ImportProblem struct {
	Line   int    `json:"line"`
	Column int    `json:"column,omitempty" doc:"In octets, from 1."`
	Note   bool   `json:"note" doc:"It keeps nothing from being made."`
	Field  string `json:"field,omitempty"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Help   string `json:"help"`
}

// Check gives what has to be right before the file is read.
func (n MailboxesImport) Check() error {
	var f faults
	if n.Format != "" {
		f.oneOf("format", n.Format, definitions.Formats()...)
	}
	f.required("text", n.Text, "the whole file")
	f.history(n.History, n.Since)
	return Invalid(f...)
}

// Define gives the mailbox that a definition leads to, or all that is wrong with
// it. Without a password it waits for one.
func (n MailboxesImport) Define(d definitions.Definition, hosts Hosts) (account.Mailbox, error) {
	full := MailboxNew{History: n.History, Since: n.Since, Definition: Definition{Name: clipped(d.Name), Protocol: d.Protocol, Host: d.Host,
		Security: d.Security, Username: d.Username, Folders: folders(d.Folders), Label: d.Label, AfterImport: d.After}}
	if d.Port != 0 {
		full.Port = new(Port(d.Port))
	}
	if d.Every > 0 {
		full.PollEvery = new(Duration(min(max(d.Every, MinPoll), MaxPoll)))
	}
	var f faults
	password := d.Password.RevealString()
	if password != "" {
		f.password(password)
	}
	m := f.define(full, hosts)
	m.Password = vault.NewSecret(password)
	return m, Invalid(f...)
}

// clipped keeps a name that another program allows to be longer.
func clipped(name string) string {
	if r := []rune(name); len(r) > 100 {
		return string(r[:100])
	}
	return name
}

// ImportedFrom shows a definition as it is in the file, or as it was understood.
func ImportedFrom(d definitions.Definition, m account.Mailbox, status string) ImportedMailbox {
	v := ImportedMailbox{Line: d.Line, Status: status, Name: m.Name, Protocol: m.Protocol, Host: m.Host, Port: m.Port, Security: m.Security,
		Username: m.Username, HasPassword: !d.Password.Empty(), Folders: folders(m.Folders), Label: m.Label, AfterImport: m.AfterImport}
	if v.Host == "" {
		v.Host = d.Host
	}
	return v
}

// ProblemsOf gives why a definition was refused, as problems of its line.
func ProblemsOf(line int, e *Error) (out []ImportProblem) {
	for _, f := range e.Faults {
		out = append(out, ImportProblem{Line: line, Field: f.Field, Code: f.Code, Detail: f.Detail, Help: f.Help})
	}
	if out == nil {
		out = []ImportProblem{{Line: line, Code: e.Code, Detail: e.Detail, Help: e.Help}}
	}
	return out
}

// ImportProblems gives what the file's reader had to say.
func ImportProblems(in []definitions.Problem) []ImportProblem {
	out := make([]ImportProblem, len(in))
	for i, p := range in {
		out[i] = ImportProblem{Line: p.Line, Column: p.Column, Note: p.Note, Code: p.Code, Detail: p.Text(), Help: p.Help()}
	}
	return out
}
