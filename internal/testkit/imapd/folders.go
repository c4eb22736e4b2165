package imapd

import (
	"io"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// The rest of imapserver.Session: what a mail program wants from a server and
// smtp-sync does not.

const delim = '/'

// List gives the folders.
func (c *session) List(w *imapserver.ListWriter, ref string, patterns []string, _ *imap.ListOptions) error {
	if len(patterns) == 0 {
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delim})
	}
	c.user.mu.Lock()
	names := slices.Sorted(maps.Keys(c.user.folders))
	c.user.mu.Unlock()
	for _, name := range names {
		match := func(p string) bool { return imapserver.MatchList(name, delim, ref, p) }
		if !slices.ContainsFunc(patterns, match) {
			continue
		}
		if err := w.WriteList(&imap.ListData{Delim: delim, Mailbox: name}); err != nil {
			return err
		}
	}
	return nil
}

// Status counts without opening.
func (c *session) Status(name string, _ *imap.StatusOptions) (*imap.StatusData, error) {
	f := c.user.folder(name)
	if f == nil {
		return nil, errNoFolder
	}
	c.srv.count("STATUS")
	f.mu.Lock()
	defer f.mu.Unlock()
	n, unseen := uint32(len(f.messages)), uint32(0)
	for _, m := range f.messages {
		if !m.flags[imap.FlagSeen] {
			unseen++
		}
	}
	return &imap.StatusData{Mailbox: name, NumMessages: &n, NumUnseen: &unseen, UIDNext: f.next, UIDValidity: f.validity}, nil
}

// Append delivers.
func (c *session) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	f := c.user.folder(name)
	if f == nil {
		return nil, no(imap.ResponseCodeTryCreate, "No such folder")
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	received := options.Time
	if received.IsZero() {
		received = time.Now()
	}
	uid := c.user.DeliverAt(name, received, raw)
	for _, flag := range options.Flags {
		c.user.SetFlag(name, uid, string(flag))
	}
	return &imap.AppendData{UID: imap.UID(uid), UIDValidity: f.validity}, nil
}

// Create makes a folder.
func (c *session) Create(name string, _ *imap.CreateOptions) error {
	if c.user.folder(name) != nil {
		return no(imap.ResponseCodeAlreadyExists, "The folder exists")
	}
	c.user.AddFolder(name)
	return nil
}

var errNever = no(imap.ResponseCodeCannot, "This server does not do that")

func (c *session) Delete(string) error                              { return errNever }
func (c *session) Rename(string, string, *imap.RenameOptions) error { return errNever }
func (c *session) Subscribe(string) error                           { return nil }
func (c *session) Unsubscribe(string) error                         { return nil }
func (c *session) Copy(imap.NumSet, string) (*imap.CopyData, error) { return nil, errNever }
