package oauth_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/oauth"
)

func clientFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "providers.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAKnownProviderNeedsItsClientAlone(t *testing.T) {
	t.Parallel()
	c, err := oauth.ReadClients(clientFile(t, `{"providers": [
		{"id": "microsoft", "client_id": "at microsoft", "client_secret": "s"},
		{"id": "google", "client_id": "at google", "client_secret": "s"},
		{"id": "home", "name": "Home", "hosts": ["Mail.Home.example"], "authorization": "https://sso.home.example/a", "token": "https://sso.home.example/t",
		 "scopes": {"imap": ["mail"]}, "client_id": "x"}
	]}`), &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"outlook.office365.com imap": "microsoft", "outlook.office365.com pop3": "microsoft", "imap-mail.outlook.com imap": "microsoft",
		"imap.gmail.com imap": "google", "pop.gmail.com pop3": "google", "mail.home.example imap": "home", "a.mail.home.example imap": "home",
		"mail.home.example pop3": "", "notoffice365.com imap": "", "imap.web.de imap": "", "": "",
	} {
		host, protocol, _ := strings.Cut(host, " ")
		got := ""
		if one := c.For(host, protocol); one != nil {
			got = one.ID
		}
		if got != want {
			t.Errorf("%s, %s: %q, want %q", host, protocol, got, want)
		}
	}
	address, _ := c.Get("microsoft").Begin("https://mail.example.org/auth/source/microsoft/callback", "imap", "ann@outlook.com")
	for _, part := range []string{"https://login.microsoftonline.com/common/oauth2/v2.0/authorize?", "client_id=at+microsoft", "IMAP.AccessAsUser.All+offline_access", "code_challenge_method=S256", "login_hint=ann%40outlook.com"} {
		if !strings.Contains(address, part) {
			t.Errorf("%s is not in %s", part, address)
		}
	}
	if address, _ := c.Get("google").Begin("https://mail.example.org/x", "pop3", ""); !strings.Contains(address, "access_type=offline") || !strings.Contains(address, "prompt=consent") {
		t.Errorf("Google would give no refresh token: %s", address)
	}
	if got := strings.Join(c.Origins(), " "); got != "https://login.microsoftonline.com https://accounts.google.com https://sso.home.example" {
		t.Errorf("origins: %s", got)
	}
}

func TestATenantTakesThePlaceOfCommon(t *testing.T) {
	t.Parallel()
	c, err := oauth.ReadClients(clientFile(t, `{"providers": [{"id": "microsoft", "tenant": "consumers", "client_id": "x"}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if address, _ := c.Get("microsoft").Begin("https://mail.example.org/x", "imap", ""); !strings.HasPrefix(address, "https://login.microsoftonline.com/consumers/oauth2/v2.0/authorize?") {
		t.Error(address)
	}
}

func TestNoFileIsNoClients(t *testing.T) {
	t.Parallel()
	c, err := oauth.ReadClients("", nil)
	if err != nil || c.For("outlook.office365.com", "imap") != nil || len(c.Origins()) > 0 {
		t.Errorf("%v, %v", c, err)
	}
}

// What is wrong with the file is said with its place, and nothing of it is
// quoted: it holds secrets.
func TestWhatIsWrongWithTheFileIsNamed(t *testing.T) {
	t.Parallel()
	home := `"hosts": ["h.example"], "authorization": "https://h.example/a", "token": "https://h.example/t", "scopes": {"imap": ["mail"]}`
	for text, want := range map[string]string{
		"": "ends in the middle", "{": "ends in the middle", `{"providers": []}`: "no providers",
		"{\n  \"providers\": [\n    {\"id\": \"CANARY\" x}\n  ]\n}":                                     "line 3, column 21 is not JSON",
		"{\"providers\": [\n\n {\"id\": \"microsoft\", \"client_id\": 7}]}":                             "line 3, column 35 client_id is not of its kind",
		`{"providers": [{"id": "microsoft"}]}`:                                                          "client_id is missing",
		`{"providers": [{"client_id": "CANARY"}]}`:                                                      "id is missing",
		`{"providers": [{"id": "Micro soft", "client_id": "x"}]}`:                                       "small letters",
		`{"providers": [{"id": "home", "client_id": "x"}]}`:                                             "hosts are missing",
		`{"providers": [{"id": "microsoft", "client_id": "x", "secret": "CANARY"}]}`:                    `no setting "secret"`,
		`{"providers": [{"id": "microsoft", "client_id": "x"}, {"id": "microsoft", "client_id": "y"}]}`: "two of this id",
		`{"providers": [{"id": "home", "client_id": "x", "hosts": ["h.example"], "authorization": "http://h.example/CANARY", "token": "https://h.example/t", "scopes": {"imap": ["m"]}}]}`: "https://",
		`{"providers": [{"id": "home", "client_id": "x", "hosts": ["h.example"], "authorization": "https://h.example/a", "token": "https://h.example/t"}]}`:                                "scopes are missing",
		`{"providers": [{"id": "home", "client_id": "x", ` + home[:len(home)-len(`{"imap": ["mail"]}`)] + `{"smtp": ["mail"]}}]}`:                                                          "scopes are by protocol",
		`{"providers": [{"id": "home", "client_id": "x", "tenant": "y", ` + home + `}]}`:                                                                                                   "tenant is for microsoft",
		`{"providers": [{"id": "microsoft", "client_id": "x", "tenant": "../evil"}]}`:                                                                                                      "tenant is for microsoft",
		`{"providers": [{"id": "home", "client_id": "x", "client_secret": "CANARY", "client_secret_file": "y", ` + home + `}]}`:                                                            "remove one",
		`{"providers": [{"id": "home", "client_id": "x", "client_secret_file": "none", ` + home + `}]}`:                                                                                    "client_secret_file",
	} {
		_, err := oauth.ReadClients(clientFile(t, text), nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := oauth.ReadClients(filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("a file that is not there is none")
	}
}
