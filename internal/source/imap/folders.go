package imap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	maxFolders = 5000 // of a mailbox that are shown
	maxCounted = 64   // that are asked for what is in them
	maxName    = 1000 // octets of a name that is shown
)

// A Listed folder is one that a mailbox has, for its owner to choose from.
type Listed struct {
	Name       string
	Use        string // special use (RFC 6154 2): `\Sent`, `\Junk`, …; "": none
	Selectable bool   // it can hold mail
	Messages   int64  // -1: not known
	Octets     int64  // -1: not known
}

// uses of RFC 6154 2 that are worth telling.
var uses = []imap.MailboxAttr{imap.MailboxAttrAll, imap.MailboxAttrArchive, imap.MailboxAttrDrafts, imap.MailboxAttrFlagged,
	imap.MailboxAttrJunk, imap.MailboxAttrSent, imap.MailboxAttrTrash}

// Chosen counts what is in the folders of the configuration. One that is not
// there is a Fault.
func (t *Trial) Chosen(ctx context.Context) ([]Listed, error) {
	if f := t.ended(); f != nil {
		return nil, f
	}
	w := t.watch(ctx, answerTime, "count its messages")
	defer w.end()
	var chosen []Listed
	for _, name := range t.cfg.Folders {
		chosen = append(chosen, Listed{Name: name, Selectable: true, Messages: -1, Octets: -1})
	}
	return chosen, t.count(chosen)
}

// Folders lists the folders of the mailbox: first those that Chosen gave, then
// those with a special use. What is in them is told for as many as one can ask
// without being a burden. A server whose folders go-imap cannot read ends the
// Trial; the chosen ones may be all right.
func (t *Trial) Folders(ctx context.Context, chosen []Listed) ([]Listed, error) {
	if f := t.ended(); f != nil {
		return nil, f
	}
	w := t.watch(ctx, answerTime, "list the folders")
	defer w.end()
	found, err := t.listFolders()
	if err != nil {
		return nil, err
	}
	found = inOrder(found, chosen)
	return found, t.count(found[len(chosen):])
}

// listFolders sends LIST. Servers without LIST-EXTENDED tell special uses
// unasked, if they know any (RFC 6154 2).
func (t *Trial) listFolders() ([]Listed, error) {
	var options *imap.ListOptions
	if t.caps["SPECIAL-USE"] && t.caps["LIST-EXTENDED"] {
		options = &imap.ListOptions{ReturnSpecialUse: true}
	}
	cmd := t.client.List("", "*", options)
	var found []Listed
	for data := cmd.Next(); data != nil; data = cmd.Next() {
		if len(found) == maxFolders {
			t.end(protocolLimit(t.cfg.Host, fmt.Sprintf("more than %d folders", maxFolders)))
			continue // what is under way must be read
		}
		if l, ok := listedFolder(data); ok {
			found = append(found, l)
		}
	}
	if err := cmd.Close(); err != nil {
		return nil, t.fault("list the folders", err)
	}
	return found, nil
}

// listedFolder leaves out what no configuration could name.
func listedFolder(data *imap.ListData) (Listed, bool) {
	if data.Mailbox == "" || len(data.Mailbox) > maxName || hasControl(data.Mailbox) || !utf8.ValidString(data.Mailbox) {
		return Listed{}, false
	}
	l := Listed{Name: data.Mailbox, Selectable: true, Messages: -1, Octets: -1}
	if strings.EqualFold(l.Name, "INBOX") {
		l.Name = "INBOX"
	}
	for _, a := range data.Attrs {
		switch {
		case strings.EqualFold(string(a), string(imap.MailboxAttrNoSelect)), strings.EqualFold(string(a), string(imap.MailboxAttrNonExistent)):
			l.Selectable = false
		default:
			i := slices.IndexFunc(uses, func(u imap.MailboxAttr) bool { return strings.EqualFold(string(a), string(u)) })
			if i >= 0 && l.Use == "" {
				l.Use = string(uses[i])
			}
		}
	}
	return l, true
}

// inOrder puts the chosen folders first, listed or not: some servers hide what
// can be opened.
func inOrder(found, chosen []Listed) []Listed {
	out := slices.Clone(chosen)
	for i := range out {
		if j := slices.IndexFunc(found, func(l Listed) bool { return l.Name == out[i].Name }); j >= 0 {
			out[i].Use = found[j].Use
		}
	}
	found = slices.DeleteFunc(found, func(l Listed) bool {
		return slices.ContainsFunc(chosen, func(c Listed) bool { return c.Name == l.Name })
	})
	place := func(l Listed) int {
		switch {
		case l.Name == "INBOX":
			return 0
		case l.Use != "":
			return 1
		}
		return 2
	}
	slices.SortStableFunc(found, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Name, b.Name))
	})
	return append(out, slices.CompactFunc(found, func(a, b Listed) bool { return a.Name == b.Name })...)
}

// count sends STATUS for the first folders, all at once.
func (t *Trial) count(found []Listed) error {
	ask := imap.StatusOptions{NumMessages: true, Size: t.caps["STATUS=SIZE"] || t.caps["IMAP4REV2"]} // RFC 8438, RFC 9051 6.3.11
	type pending struct {
		*Listed
		cmd *imapclient.StatusCommand
	}
	var asked []pending
	for i := range found {
		if found[i].Selectable && len(asked) < maxCounted {
			asked = append(asked, pending{&found[i], t.client.Status(found[i].Name, &ask)})
		}
	}
	for _, p := range asked {
		data, err := p.cmd.Wait()
		if r, ok := answered(err); ok {
			if slices.Contains(t.cfg.Folders, p.Name) && r.noFolder(t.cfg.Host) {
				return &mail.Fault{Class: mail.Setup, Code: "folder_missing", Err: r,
					Text: fmt.Sprintf("%s has no folder %q that can be opened", t.cfg.Host, p.Name), Help: "choose another folder for this mailbox"}
			}
			continue
		}
		if err != nil {
			return t.fault("count a folder", err)
		}
		if data.NumMessages != nil {
			p.Messages = int64(*data.NumMessages)
		}
		if data.Size != nil && *data.Size >= 0 {
			p.Octets = *data.Size
		}
	}
	return nil
}
