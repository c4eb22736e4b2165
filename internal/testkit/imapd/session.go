package imapd

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-sasl"
)

// A session is one connection, as imapserver wants it.
type session struct {
	srv      *Server
	user     *User
	folder   *folder
	view     *imapserver.SessionTracker
	readOnly bool
}

var _ imapserver.SessionSASL = (*session)(nil)

func no(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

var errNoFolder = no(imap.ResponseCodeNonExistent, "No such folder")

// Close ends the session.
func (c *session) Close() error {
	if c.folder != nil {
		return c.Unselect()
	}
	return nil
}

// Login checks a password or, for XOAUTH2, an access token.
func (c *session) Login(name, password string) error {
	u := c.srv.user(name)
	if u == nil || subtle.ConstantTimeCompare([]byte(u.password), []byte(password)) != 1 {
		return imapserver.ErrAuthFailed
	}
	c.srv.count("LOGIN")
	c.user = u
	return nil
}

func (c *session) AuthenticateMechanisms() []string { return []string{"PLAIN", "XOAUTH2"} }

func (c *session) Authenticate(mech string) (sasl.Server, error) {
	switch mech {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, name, password string) error { return c.Login(name, password) }), nil
	case "XOAUTH2":
		return &xoauth2{login: c.Login}, nil
	}
	return nil, no("", "Mechanism not supported")
}

// xoauth2 is Google's and Microsoft's mechanism: one message; a refusal is
// explained in a challenge that the client answers with an empty line.
type xoauth2 struct {
	login   func(name, token string) error
	refused error
}

func (x *xoauth2) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case x.refused != nil && len(response) > 0:
		return nil, false, &imap.Error{Type: imap.StatusResponseTypeBad, Text: "Expected an empty line"}
	case x.refused != nil:
		return nil, false, x.refused
	case response == nil:
		return nil, false, nil
	}
	user, rest, ok := strings.Cut(strings.TrimPrefix(string(response), "user="), "\x01auth=Bearer ")
	token, end, ok2 := strings.Cut(rest, "\x01")
	if !ok || !ok2 || end != "\x01" {
		return nil, false, &imap.Error{Type: imap.StatusResponseTypeBad, Text: "Malformed response"}
	}
	if x.refused = x.login(user, token); x.refused != nil {
		return []byte(`{"status":"401","schemes":"bearer","scope":"mail"}`), false, nil
	}
	return nil, true, nil
}

// Select opens a folder.
func (c *session) Select(name string, options *imap.SelectOptions) (*imap.SelectData, error) {
	f := c.user.folder(name)
	if f == nil {
		return nil, errNoFolder
	}
	c.srv.count("SELECT")
	f.mu.Lock()
	defer f.mu.Unlock()
	c.folder, c.view, c.readOnly = f, f.tracker.NewSession(), options.ReadOnly
	flags := []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft}
	return &imap.SelectData{
		Flags: flags, PermanentFlags: append(flags, imap.FlagWildcard),
		NumMessages: uint32(len(f.messages)), UIDNext: f.next, UIDValidity: f.validity,
	}, nil
}

func (c *session) Unselect() error {
	c.view.Close()
	c.folder, c.view = nil, nil
	return nil
}

func (c *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	if c.view == nil {
		return nil
	}
	return c.view.Poll(w, allowExpunge)
}

// Idle tells of every change of the folder, also of those between the last
// command and this one: imapserver's own would keep them until the next.
func (c *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	c.srv.count("IDLE")
	c.srv.idling.Add(1)
	defer c.srv.idling.Add(-1)
	if c.view == nil || c.srv.opt.Mute {
		<-stop
		return nil
	}
	changed := c.folder.subscribe()
	defer c.folder.unsubscribe(changed)
	for {
		if err := c.view.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stop:
			return nil
		}
	}
}

// Store changes flags.
func (c *session) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, _ *imap.StoreOptions) error {
	c.srv.count("STORE")
	if c.readOnly {
		return no(imap.ResponseCodeNoPerm, "The folder is open for reading only")
	}
	c.folder.store(set, c.view, func(m *message) {
		if flags.Op == imap.StoreFlagsSet {
			clear(m.flags)
		}
		for _, flag := range flags.Flags {
			if flags.Op == imap.StoreFlagsDel {
				delete(m.flags, flag)
			} else {
				m.flags[flag] = true
			}
		}
	})
	if flags.Silent {
		return nil
	}
	return c.Fetch(w, set, &imap.FetchOptions{UID: true, Flags: true})
}

// Expunge removes what is flagged \Deleted, within uids if they are given.
func (c *session) Expunge(_ *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	if uids == nil {
		c.srv.count("EXPUNGE")
	} else {
		c.srv.count("UID EXPUNGE")
	}
	if c.readOnly {
		return no(imap.ResponseCodeNoPerm, "The folder is open for reading only")
	}
	f := c.folder
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeLocked(func(m *message) bool {
		return m.flags[imap.FlagDeleted] && (uids == nil || uids.Contains(m.uid))
	})
	return nil
}

// Search knows dates, flags and UIDs.
func (c *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, _ *imap.SearchOptions) (*imap.SearchData, error) {
	c.srv.count("SEARCH")
	f := c.folder
	f.mu.Lock()
	defer f.mu.Unlock()
	var data imap.SearchData
	var uids imap.UIDSet
	var seqs imap.SeqSet
	for i, m := range f.messages {
		if !m.matches(criteria) {
			continue
		}
		n := c.view.EncodeSeqNum(uint32(i) + 1)
		seqs.AddNum(n)
		uids.AddNum(m.uid)
		if kind == imapserver.NumKindUID {
			n = uint32(m.uid)
		}
		if data.Count == 0 {
			data.Min = n
		}
		data.Max = n
		data.Count++
	}
	if data.All = seqs; kind == imapserver.NumKindUID {
		data.All = uids
	}
	return &data, nil
}

func (m *message) matches(c *imap.SearchCriteria) bool {
	day := time.Date(m.date.Year(), m.date.Month(), m.date.Day(), 0, 0, 0, 0, time.UTC)
	if !c.Since.IsZero() && day.Before(c.Since) || !c.Before.IsZero() && !day.Before(c.Before) {
		return false
	}
	for _, set := range c.UID {
		if !set.Contains(m.uid) {
			return false
		}
	}
	return !slices.ContainsFunc(c.Flag, func(f imap.Flag) bool { return !m.flags[f] }) &&
		!slices.ContainsFunc(c.NotFlag, func(f imap.Flag) bool { return m.flags[f] })
}
