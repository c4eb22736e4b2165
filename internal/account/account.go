// Package account holds who there is: users, their mailboxes at other
// providers, and the grant under which their mail goes to Gmail. Passwords and
// tokens are vault.Secret in memory and sealed at rest.
//
// A store of accounts keeps these rules (accounttest proves them):
//   - a user is found by what the identity provider calls him, of which only a
//     keyed hash is kept outside his own rows;
//   - who may become a user is decided in the same step that makes him one: of
//     two who come first at once, one does (SignUp);
//   - a mailbox is one maildrop, whatever way leads to it: protocol, host,
//     username and, unless it is a standard one, port;
//   - a mailbox may be changed in all but that, its id and its age;
//   - what is wiped is gone: a user's key is destroyed first, so that all that
//     was ever written for him is noise even where a copy survives;
//   - a wipe leaves a receipt, which tells nothing about anybody, and errands:
//     what is still to be told to others.
//
// When Google's grant ends (DropGrant, DropRefused), the token, what Google told us of the
// person, and the upload sessions are destroyed; that there was a grant, the
// keyed hash of the person and the ledger stay, so that who connects again gets
// nothing twice. What was being uploaded is doubtful from then on: only its
// session could have told how it ended.
package account

import (
	"errors"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// ErrNone: there is no such user, mailbox or grant.
var ErrNone = errors.New("account: none")

// User is the person whose Gmail account is filled.
type User struct{ ID id.User }

// Mailbox is one remote POP3 or IMAP account of a user.
type Mailbox struct {
	ID          id.Mailbox // made by the store
	Name        string     // what the user calls it
	Protocol    string     // "pop3", "imap"
	Host        string     // lower case
	Port        int
	Security    string // "tls", "starttls"
	Username    string
	Password    vault.Secret // empty where it is given anew for each pass, and with a Consent
	Consent     Consent      // in place of a password
	Folders     []Folder     // IMAP; none: INBOX
	Label       string
	Archive     bool
	AfterImport string // see After

	History     string        // which mail that is there already: "all", "new" (none of it), "since"
	Since       time.Time     // for "since"
	NewestFirst bool          // of the history
	PollEvery   time.Duration // 0: the default
	Authserv    []string      // servers whose Authentication-Results rules believe (RFC 8601 s5); none: nobody's
	Created     time.Time     // made by the store
}

// Folder is an IMAP folder to read, and where what is in it arrives.
type Folder struct {
	Name    string `json:"name"`
	Label   string `json:"label,omitempty"`
	Archive bool   `json:"archive,omitempty"` // not into the inbox, wherever else mail of the mailbox goes
	Spam    bool   `json:"spam,omitempty"`    // to Gmail's spam, as it lay in such a folder
}

// ErrIdentity is what changing a mailbox into another maildrop is answered
// with: its ledger would claim to know mail that it has never seen.
var ErrIdentity error = &mail.Fault{Class: mail.Setup, Code: "mailbox_identity",
	Text: "protocol, host, port and user name of a mailbox cannot be changed",
	Help: "add the other one as a new mailbox, then remove this one"}

// Identity is what makes two definitions the same maildrop.
type Identity struct {
	Protocol string
	Host     string
	Service  int // 0 for the protocol's standard ports, else the port
	Username string
}

// Identity gives the identity of a mailbox.
func (m Mailbox) Identity() Identity {
	i := Identity{Protocol: m.Protocol, Host: strings.ToLower(m.Host), Service: m.Port, Username: m.Username}
	switch m.Protocol {
	case "imap":
		if m.Port == 993 || m.Port == 143 {
			i.Service = 0
		}
	case "pop3":
		if m.Port == 995 || m.Port == 110 {
			i.Service = 0
		}
	}
	return i
}
