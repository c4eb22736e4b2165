package probe

// Step is one step of a connection test.
type Step struct {
	Name   string `json:"name"` // "dns", "connect", "tls", "greeting", "capability", "login", "list"
	OK     bool   `json:"ok"`
	MS     int64  `json:"ms"`
	Code   string `json:"code"`   // why it failed; "" if it did not
	Detail string `json:"detail"` // one sentence; may be "" if it did not fail
	Help   string `json:"help"`   // what to do; "" if there is nothing to do

	TLS *TLS  `json:"tls,omitempty"` // of the step "tls", where a certificate was proven
	Err error `json:"-"`             // the chain for the operator's log
}

// TLS says what secures the connection.
type TLS struct {
	Version     string   `json:"version"`         // "TLS 1.3"
	Name        string   `json:"name"`            // that was proven
	Chain       []string `json:"chain"`           // who vouches for it, from the server's certificate to the root
	ExpiresDays int      `json:"expires_in_days"` // of the server's certificate
}

// Folder is an IMAP folder to choose from.
type Folder struct {
	Name       string `json:"name"`
	SpecialUse string `json:"special_use"` // `\Sent`, `\Junk`, …; "": none
	Selectable bool   `json:"selectable"`
	Messages   *int64 `json:"messages"` // nil: not known
	Bytes      *int64 `json:"bytes"`
}

// Result is what a connection test came to. Messages and Bytes are those of the
// folders that the mailbox is set to, as the server announces them; nil where it
// does not, or the test did not come so far.
type Result struct {
	OK       bool     `json:"ok"`
	Steps    []Step   `json:"steps"`
	Messages *int64   `json:"messages"`
	Bytes    *int64   `json:"bytes"`
	Folders  []Folder `json:"folders"` // none for POP3
}
