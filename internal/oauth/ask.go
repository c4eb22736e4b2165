package oauth

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// Ask is what a person is sent to the consent page for.
type Ask struct {
	RedirectURL string
	Scopes      []string // beside openid and email; none is sign-in only
	LoginHint   string   // address to preselect

	// For the web service; see Visits.
	Person string // for a grant: whose session asks
	Return string // the page to go to afterwards
}

// AskIdentity asks who somebody is, and nothing else.
func AskIdentity(redirectURL, back string) Ask {
	return Ask{RedirectURL: redirectURL, Return: LocalPath(back)}
}

// AskGrant asks a person who is signed in for the permission to add mail, and
// to manage labels if they are wanted. Who is the session's: Sub in the form
// that the session has it (Visits), Email if it is known.
func AskGrant(redirectURL string, who Identity, labels bool, back string) Ask {
	a := Ask{RedirectURL: redirectURL, Scopes: []string{ScopeInsert}, LoginHint: who.Email, Person: who.Sub, Return: LocalPath(back)}
	if labels {
		a.Scopes = append(a.Scopes, ScopeLabels)
	}
	return a
}

// Grants reports whether a is for a grant, not for sign-in alone.
func (a Ask) Grants() bool { return len(a.Scopes) > 0 }

// Labels reports whether a asks for the permission to manage labels.
func (a Ask) Labels() bool { return slices.Contains(a.Scopes, ScopeLabels) }

// maxPath is more than any page of ours needs; the flow lives in a cookie.
const maxPath = 512

// LocalPath gives s if it is a plain path on this site, with or without a
// query, else "/": where somebody is sent after signing in must not be
// somebody else's choice. What a browser would read in another way than Go
// does (backslashes, control characters, doubled slashes) is not plain.
func LocalPath(s string) string {
	if len(s) > maxPath || !strings.HasPrefix(s, "/") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }) {
		return "/"
	}
	u, err := url.Parse(s)
	if err != nil || u.Host != "" || strings.Contains(u.Path, `\`) {
		return "/"
	}
	if clean := path.Clean(u.Path); strings.Contains(u.Path, "//") || u.Path != clean && u.Path != clean+"/" {
		return "/"
	}
	return s
}
