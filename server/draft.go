package server

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// A mailbox is added in three pages under one address: the mail address, the
// server with its test, the mail. Each is a plain form that carries all that was
// said before, so nothing is kept here for those who do not finish, any node can
// take the next step, and going back in the browser works.
//
// The password is typed once. From then on the form carries it sealed: for this
// session, this user name and this host, for half an hour. So no page and no
// cache ever has it, and a form that has been tampered with cannot send it to
// another server. (Asking for it again on the last page would be simpler, and
// would be the step at which people mistype it.) The test's outcome goes along
// in the same way, for it must not be repeated to draw the next page: providers
// count logins.

// The sealed things.
const (
	sealPassword = "password"
	sealOutcome  = "outcome"
)

const (
	mostWays    = 12  // candidates that a page shows
	mostFolders = 300 // folders that a page shows
)

// draft is a mailbox in the making, as the forms carry it.
type draft struct {
	Address string
	Ways    []way  // that discovery found
	Way     string // the chosen one's Value; byHand: the fields below

	Protocol, Host, Port, Security, Username string

	Provider string       // whose sign-in gave what is kept; "": it is a password
	Typed    vault.Secret // the password, where this form had it
	Kept     string       // the password, or what the provider gave, sealed, from a form before
	Tested   string       // the outcome sealed

	Name, Label          string
	Folders              []folderRow
	Archive, NewestFirst bool
	AfterImport          string
	History, Since       string
	PollEvery            string
	Authserv             string // names, with spaces or line ends between
}

const byHand = "hand"

// way is a candidate on the page.
type way struct {
	api.Candidate
	door
	Value  string // what the form says for it
	Chosen bool
}

// folderRow is a folder on the page.
type folderRow struct {
	Index       int
	Name, Label string
	Chosen      bool
	SpecialUse  string
	Messages    *int64
	Bytes       *int64
}

// Link is the provider's own page for what the hint says; "" if none is known.
func (w way) Link() string { return discover.For(w.Host, w.Protocol).Link }

// Key is the name of a part of the row in an api.Fault.
func (f folderRow) Key(part string) string {
	return "folders[" + strconv.Itoa(f.Index) + "]." + part
}

// Field is the id of that part on the page.
func (f folderRow) Field(part string) string { return fieldID(f.Key(part)) }

// Size is what is in the folder, in words; "" where it is not known.
func (f folderRow) Size() string {
	if f.Bytes == nil {
		return ""
	}
	return octets(*f.Bytes)
}

// wayValue writes a candidate into a form. It is only a shorthand for the
// fields of the same names, and checked as they are.
func wayValue(c api.Candidate) string {
	return url.Values{"protocol": {c.Protocol}, "host": {c.Host}, "port": {strconv.Itoa(c.Port)}, "security": {c.Security}, "username": {c.Username}, "auth": {c.Auth}, "source": {c.Source}}.Encode()
}

// readWay reads one again; the hint is our own, and not the form's to say.
func readWay(s string) (w way, ok bool) {
	v, err := url.ParseQuery(s)
	if err != nil || v.Get("host") == "" || v.Get("protocol") == "" {
		return w, false
	}
	port, _ := strconv.Atoi(v.Get("port"))
	c := api.Candidate{Protocol: v.Get("protocol"), Host: v.Get("host"), Port: port, Security: v.Get("security"), Username: v.Get("username"), Auth: v.Get("auth"), Source: v.Get("source")}
	c.Hint = discover.For(c.Host, c.Protocol).Text
	return way{Candidate: c, Value: wayValue(c)}, true
}

// readDraft reads a form. A chosen way is put over the fields.
func readDraft(v url.Values) *draft {
	d := &draft{Address: strings.TrimSpace(v.Get("address")), Way: v.Get("way"), Protocol: v.Get("protocol"), Host: strings.TrimSpace(v.Get("host")),
		Port: strings.TrimSpace(v.Get("port")), Security: v.Get("security"), Username: v.Get("username"), Typed: vault.NewSecret(v.Get("password")),
		Kept: v.Get("kept"), Provider: v.Get("provider"), Tested: v.Get("tested"), Name: v.Get("name"), Label: v.Get("label"), Archive: v.Get("archive") != "",
		NewestFirst: v.Get("newest_first") != "", AfterImport: readAfter(v), History: v.Get("history"), Since: v.Get("since"), PollEvery: v.Get("poll_every"), Authserv: v.Get("authserv")}
	for _, s := range v["ways"] {
		if w, ok := readWay(s); ok && len(d.Ways) < mostWays {
			d.Ways = append(d.Ways, w)
		}
	}
	if w, ok := readWay(d.Way); ok {
		d.take(w)
	}
	d.Folders = readFolders(v)
	return d
}

// readAfter reads what is to happen to the original: days and folder are fields
// of their own.
func readAfter(v url.Values) string {
	switch is := v.Get("after_import"); is {
	case "delete_after":
		return is + ":" + strings.TrimSpace(v.Get("after_days")) + "d"
	case "move":
		return is + ":" + strings.TrimSpace(v.Get("after_folder"))
	default:
		return is
	}
}

// After is how the page shows that: what is chosen, with its days or folder.
func (d *draft) After() (a struct{ Do, Days, Folder string }) {
	do, value, _ := strings.Cut(d.AfterImport, ":")
	switch a.Do = do; do {
	case "delete_after":
		a.Days = strings.TrimSuffix(value, "d")
	case "move":
		a.Folder = value
	}
	return a
}

// afterWords says what happens to the originals of a mailbox.
func afterWords(after string) string {
	switch a, err := account.ParseAfter(after); {
	case err == nil && a.Days > 0:
		return text.T("after.later", "days", strconv.Itoa(a.Days))
	case err == nil && a.Do == "move":
		return text.T("after.move", "folder", a.Folder)
	}
	return text.Word("after", after)
}

// readFolders reads the rows: the folders' names in order, the numbers of the
// chosen ones, the labels by number. A last row is for one that the list has
// not.
func readFolders(v url.Values) (out []folderRow) {
	for i, name := range v["folder"] {
		if i == mostFolders {
			break
		}
		out = append(out, folderRow{Index: i, Name: name, Label: strings.TrimSpace(v.Get("folder_label_" + strconv.Itoa(i))), Chosen: slices.Contains(v["chosen"], strconv.Itoa(i))})
	}
	if more := v.Get("folder_more"); more != "" {
		out = append(out, folderRow{Index: len(out), Name: more, Label: strings.TrimSpace(v.Get("folder_more_label")), Chosen: true})
	}
	return out
}

// take makes a way the chosen one.
func (d *draft) take(w way) {
	d.Way, d.Protocol, d.Host, d.Port, d.Security, d.Username = w.Value, w.Protocol, w.Host, strconv.Itoa(w.Port), w.Security, w.Username
}

// found takes what discovery found, and the best of it.
func (d *draft) found(all []discover.Candidate) {
	d.Ways = nil
	for _, f := range all[:min(len(all), mostWays)] {
		c := api.Candidate{Protocol: f.Protocol, Host: f.Host, Port: f.Port, Security: f.Security, Username: f.Username, Auth: f.Auth, Source: f.Source, Hint: f.Hint}
		d.Ways = append(d.Ways, way{Candidate: c, Value: wayValue(c)})
	}
	if len(d.Ways) > 0 {
		d.take(d.Ways[0])
	} else {
		d.Way = byHand
	}
}

// of is what a password of this draft is sealed for.
func (d *draft) of(c *call, what string) []string {
	return []string{what, c.who.user.String(), c.who.session.ID.String(), strings.ToLower(d.Host), d.Username}
}

// password gives the one that was typed now, or else before, and seals it for
// the next form.
func (d *draft) password(c *call) string {
	if d.Provider != "" {
		return ""
	}
	p := d.Typed.RevealString()
	if p == "" {
		before, _ := c.s.sealed.open(d.Kept, d.of(c, sealPassword)...)
		p = string(before)
	}
	d.Kept = ""
	if p != "" && len(p) <= 1024 {
		d.Kept = c.s.sealed.seal([]byte(p), d.of(c, sealPassword)...)
	}
	return p
}

// definition gives what leads to the mailbox; which of its mail is wanted comes
// later.
func (d *draft) definition(password string) api.Definition {
	n := api.Definition{Protocol: d.Protocol, Host: d.Host, Security: d.Security, Username: d.Username, Password: password, Provider: d.Provider}
	if d.Port != "" {
		p, err := strconv.Atoi(d.Port)
		if err != nil {
			p = -1 // what no check allows
		}
		n.Port = new(api.Port(p))
	}
	return n
}

// whole gives the mailbox with all that the last page asks. The folders on the
// page that are not chosen have no number in it: rows says which are.
func (d *draft) whole(password string) (n api.MailboxNew, rows []int) {
	n = api.MailboxNew{Definition: d.definition(password), History: d.History}
	n.Name, n.Label, n.Archive, n.AfterImport, n.NewestFirst = d.Name, strings.TrimSpace(d.Label), d.Archive, d.AfterImport, d.NewestFirst
	if d.History == "since" {
		n.Since = d.Since
	}
	if d.PollEvery != "" && d.PollEvery != "0s" {
		n.PollEvery = new(api.ParseDuration(d.PollEvery))
	}
	n.Folders, rows = picked(d.Protocol, d.Folders)
	return n, rows
}

// picked gives the folders that are wanted, and which rows of the page they are.
func picked(protocol string, all []folderRow) (out []api.Folder, rows []int) {
	for _, f := range all {
		if f.Chosen && protocol != "pop3" {
			out, rows = append(out, api.Folder{Name: f.Name, Label: f.Label}), append(rows, f.Index)
		}
	}
	return out, rows
}

// onPage gives the field of the page that an api.Fault's field is: the folders
// are numbered as the page has them.
func onPage(rows []int) func(string) string {
	return func(field string) string {
		var i int
		if rest, ok := strings.CutPrefix(field, "folders["); ok {
			number, part, _ := strings.Cut(rest, "]")
			if i, _ = strconv.Atoi(number); i < len(rows) {
				return "folders[" + strconv.Itoa(rows[i]) + "]" + part
			}
		}
		return field
	}
}

// labelled reports whether mail is to get a label: that takes a permission.
func labelled(label string, folders []account.Folder) bool {
	return label != "" || slices.ContainsFunc(folders, func(f account.Folder) bool { return f.Label != "" })
}

// outcome is what a test came to: its steps, or why there was none.
type outcome struct {
	Trial api.Trial
	Said  *api.Error
}

func (o outcome) ok() bool { return o.Said == nil && o.Trial.OK }

// keep seals an outcome for the next form.
func (d *draft) keep(c *call, o outcome) {
	b, err := json.Marshal(o)
	if err != nil {
		panic("server: " + err.Error()) // of our own type
	}
	d.Tested = c.s.sealed.seal(b, d.of(c, sealOutcome)...)
}

// kept opens the outcome of a test before.
func (d *draft) kept(c *call) (o outcome, ok bool) {
	b, ok := c.s.sealed.open(d.Tested, d.of(c, sealOutcome)...)
	return o, ok && json.Unmarshal(b, &o) == nil
}

// listed puts the folders that the test found behind the rows that the user
// has, which keep their places: what is wrong is said of a row by its number.
// Without rows the inbox is first, and chosen.
func listed(rows []folderRow, found []api.RemoteFolder) []folderRow {
	place := map[string]int{}
	for i, r := range rows {
		place[r.Name] = i
	}
	anew := len(rows) == 0
	out := slices.Clone(rows)
	for _, f := range found {
		i, known := place[f.Name]
		switch {
		case !known && (!f.Selectable || len(out) == mostFolders):
			continue
		case !known:
			i = len(out)
			out = append(out, folderRow{Name: f.Name, Chosen: anew && strings.EqualFold(f.Name, "INBOX")})
		}
		out[i].SpecialUse, out[i].Messages, out[i].Bytes = strings.TrimPrefix(f.SpecialUse, `\`), f.Messages, f.Bytes
	}
	if anew {
		slices.SortStableFunc(out, func(a, b folderRow) int { return cmp.Compare(inbox(a), inbox(b)) })
	}
	for i := range out {
		out[i].Index = i
	}
	return out
}

func inbox(f folderRow) int {
	if f.Chosen {
		return 0
	}
	return 1
}
