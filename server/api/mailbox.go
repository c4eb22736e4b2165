package api

import "time"

// Folder is an IMAP folder, and where what is in it arrives.
type Folder struct {
	Name    string `json:"name"`
	Label   string `json:"label,omitempty"`
	Archive bool   `json:"archive,omitempty" doc:"Not into the inbox."`
	Spam    bool   `json:"spam,omitempty" doc:"To Gmail's spam."`
}

// Definition is what leads to a mailbox, and what is done with its mail.
type Definition struct {
	Name        string    `json:"name,omitempty" doc:"What you call it; left out: the user name."`
	Protocol    string    `json:"protocol" enum:"pop3,imap"`
	Host        string    `json:"host" doc:"A name such as imap.example.com; host:port is understood."`
	Port        *Port     `json:"port,omitempty" doc:"Left out: the protocol's for the chosen security."`
	Security    string    `json:"security,omitempty" enum:"tls,starttls" doc:"Left out: tls."`
	Username    string    `json:"username"`
	Password    string    `json:"password,omitempty" format:"password" doc:"Required without a provider. Kept encrypted, never returned."`
	Provider    string    `json:"provider,omitempty" doc:"Whose sign-in opens the mailbox in place of a password, as discovery names it: its user connects it in a browser, on the page of the mailbox, and until then it is failing."`
	Folders     []Folder  `json:"folders,omitempty" doc:"IMAP; left out: INBOX."`
	Label       string    `json:"label,omitempty" doc:"For all mail of this mailbox."`
	Archive     bool      `json:"archive,omitempty" doc:"Into the archive and not into the inbox."`
	AfterImport string    `json:"after_import,omitempty" doc:"What happens to the original once a message is in Gmail: leave, seen, delete, delete_after:30d (so many days after the import), move:Folder; left out: leave."`
	NewestFirst bool      `json:"newest_first,omitempty" doc:"The history's newest mail comes first."`
	PollEvery   *Duration `json:"poll_every,omitempty" doc:"From 60s to 24h; left out: as often as is worth it."`
	Authserv    []string  `json:"authserv,omitempty" doc:"Names under which your provider writes Authentication-Results; rules believe no others."`
}

// MailboxNew makes a mailbox.
type MailboxNew struct {
	Definition
	History string `json:"history" enum:"all,new,since" doc:"Which of the mail that is there already."`
	Since   string `json:"since,omitempty" doc:"For history since: a date, or a time (RFC 3339)."`
}

// MailboxTry is a mailbox to be tested: as for making it, and the history need
// not be decided yet.
type MailboxTry struct {
	Definition
	History string `json:"history,omitempty" enum:"all,new,since"`
	Since   string `json:"since,omitempty"`
}

// MailboxPatch changes a mailbox; what is left out stays.
type MailboxPatch struct {
	Name        *string   `json:"name,omitempty"`
	Protocol    *string   `json:"protocol,omitempty" enum:"pop3,imap" doc:"It cannot be another one."`
	Host        *string   `json:"host,omitempty" doc:"It cannot be another one."`
	Port        *Port     `json:"port,omitempty" doc:"The protocol's other standard port, if at all."`
	Security    *string   `json:"security,omitempty" enum:"tls,starttls"`
	Username    *string   `json:"username,omitempty" doc:"It cannot be another one."`
	Password    *string   `json:"password,omitempty" format:"password" doc:"It takes the place of a provider's sign-in as well."`
	Folders     *[]Folder `json:"folders,omitempty"`
	Label       *string   `json:"label,omitempty"`
	Archive     *bool     `json:"archive,omitempty"`
	AfterImport *string   `json:"after_import,omitempty" doc:"leave, seen, delete, delete_after:30d, move:Folder"`
	History     *string   `json:"history,omitempty" enum:"all,new,since"`
	Since       *string   `json:"since,omitempty"`
	NewestFirst *bool     `json:"newest_first,omitempty"`
	PollEvery   *Duration `json:"poll_every,omitempty" doc:"0s: as often as is worth it."`
	Authserv    *[]string `json:"authserv,omitempty"`
}

// Mailbox is a mailbox with its state.
type Mailbox struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Protocol    string    `json:"protocol" enum:"pop3,imap"`
	Host        string    `json:"host"`
	Port        int       `json:"port"`
	Security    string    `json:"security" enum:"tls,starttls"`
	Username    string    `json:"username"`
	Provider    string    `json:"provider,omitempty" doc:"Whose sign-in opens the mailbox; left out: a password does."`
	Folders     []Folder  `json:"folders"`
	Label       string    `json:"label"`
	Archive     bool      `json:"archive"`
	AfterImport string    `json:"after_import"`
	History     string    `json:"history" enum:"all,new,since"`
	Since       time.Time `json:"since,omitzero"`
	NewestFirst bool      `json:"newest_first"`
	PollEvery   *Duration `json:"poll_every,omitempty"`
	Authserv    []string  `json:"authserv"`
	CreatedAt   time.Time `json:"created_at"`
	Standing
	Imported Amount `json:"imported"`
	Skipped  int64  `json:"skipped"`
	Refused  int64  `json:"refused"`
	Doubtful int64  `json:"doubtful"`
}

// Standing is how a mailbox is doing.
type Standing struct {
	State      string    `json:"state" enum:"syncing,idle,waiting,paused,failing"`
	Reason     *Reason   `json:"reason,omitempty"`
	LastSyncAt time.Time `json:"last_sync_at,omitzero"`
	NextSyncAt time.Time `json:"next_sync_at,omitzero"`
	Backlog    Backlog   `json:"backlog"`
}

// Reason tells why a mailbox waits or fails.
type Reason struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Help   string `json:"help"`
}

// Amount is messages and octets.
type Amount struct {
	Messages int64 `json:"messages"`
	Bytes    int64 `json:"bytes"`
}

// Backlog is what is still to be imported.
type Backlog struct {
	Messages int64     `json:"messages"`
	Bytes    int64     `json:"bytes"`
	ETA      time.Time `json:"eta,omitzero" doc:"When it will be in Gmail, at the budget's pace."`
}

// Mailboxes is a page of mailboxes.
type Mailboxes struct {
	Mailboxes  []Mailbox `json:"mailboxes"`
	NextCursor string    `json:"next_cursor,omitempty"`
}

// Candidate is a way that may lead to a mailbox.
type Candidate struct {
	Protocol string `json:"protocol" enum:"pop3,imap"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Security string `json:"security" enum:"tls,starttls"`
	Username string `json:"username"`
	Auth     string `json:"auth" doc:"password, app-password, or oauth: the provider takes no password."`
	Provider string `json:"provider,omitempty" doc:"Whose sign-in can open the mailbox in this installation; left out: none can."`
	Source   string `json:"source" enum:"ispdb,srv,autoconfig,mx,guess"`
	Hint     string `json:"hint" doc:"What this provider wants, such as an app password."`
}

// Trial is what a connection test found.
type Trial struct {
	OK       bool           `json:"ok"`
	Steps    []Step         `json:"steps"`
	Messages *int64         `json:"messages,omitempty" doc:"Left out where the server does not say."`
	Bytes    *int64         `json:"bytes,omitempty" doc:"Left out where the server does not say."`
	Folders  []RemoteFolder `json:"folders"`
}

// Step is one step of a connection test.
type Step struct {
	Name   string `json:"name" enum:"dns,connect,tls,greeting,capability,login,list"`
	OK     bool   `json:"ok"`
	MS     int64  `json:"ms"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Help   string `json:"help"`
	TLS    *TLS   `json:"tls,omitempty"`
}

// TLS says what secures a connection.
type TLS struct {
	Version     string   `json:"version"`
	Name        string   `json:"name"`
	Chain       []string `json:"chain" doc:"From the server's certificate to the root."`
	ExpiresDays int      `json:"expires_in_days"`
}

// RemoteFolder is an IMAP folder to choose from.
type RemoteFolder struct {
	Name       string `json:"name"`
	SpecialUse string `json:"special_use" doc:"Like \\Sent; empty: none."`
	Selectable bool   `json:"selectable"`
	Messages   *int64 `json:"messages,omitempty"`
	Bytes      *int64 `json:"bytes,omitempty"`
}

// EstimateNew asks what a history would take.
type EstimateNew struct {
	History string `json:"history" enum:"all,new,since"`
	Since   string `json:"since,omitempty"`
}

// Estimate is what a history would take.
type Estimate struct {
	Messages int64   `json:"messages"`
	Bytes    int64   `json:"bytes"`
	Days     float64 `json:"days" doc:"At the budget of octets a day; 0: within today's."`
	AtMost   bool    `json:"at_most" doc:"The server does not tell how much of it is since that date."`
}

// Accepted is the answer to what has been begun.
type Accepted struct {
	ID    string `json:"id"`
	State string `json:"state" enum:"syncing,idle,waiting,paused,failing"`
}
