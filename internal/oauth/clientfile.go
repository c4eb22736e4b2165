package oauth

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// ReadClients reads the operator's file (SMTPSYNC_OAUTH_SOURCES_FILE):
//
//	{"providers": [
//	  {"id": "microsoft", "client_id": "…", "client_secret": "…"},
//	  {"id": "google", "client_id": "…", "client_secret_file": "/run/secrets/google"},
//	  {"id": "example", "name": "Example Mail", "hosts": ["mail.example.org"],
//	   "authorization": "https://…", "token": "https://…", "scopes": {"imap": ["…"], "pop3": ["…"]}, "client_id": "…"}
//	]}
//
// Of a provider that is known by its id everything but the client may be left
// out, and what is written counts. No file, no clients. An error says where in
// the file it is, and quotes none of it but ids: it holds secrets.
func ReadClients(file string, tr http.RoundTripper) (*Clients, error) {
	if file == "" {
		return &Clients{}, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if tr == nil {
		tr = http.DefaultTransport
	}
	c, err := parseClients(b, filepath.Dir(file), tr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func parseClients(b []byte, dir string, tr http.RoundTripper) (*Clients, error) {
	var file struct {
		Providers []json.RawMessage `json:"providers"`
	}
	if err := strictly(b, &file); err != nil {
		return nil, place(b, err)
	}
	if len(file.Providers) == 0 {
		return nil, errors.New(`it has no providers: write {"providers": [{"id": "microsoft", "client_id": "…", "client_secret": "…"}]}`)
	}
	c := &Clients{}
	for i, raw := range file.Providers {
		var name struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(raw, &name)
		var e entry
		if j := slices.IndexFunc(known, func(k entry) bool { return k.ID == name.ID }); j >= 0 {
			e = known[j].copied()
		}
		err := strictly(raw, &e)
		if err != nil {
			err = place(b, moved(err, int64(bytes.Index(b, raw))))
		}
		if err == nil {
			err = e.check(c)
		}
		var secret vault.Secret
		if err == nil {
			secret, err = e.secret(dir)
		}
		if err != nil {
			return nil, fmt.Errorf("provider %d (%.40q): %w", i+1, name.ID, err)
		}
		c.all = append(c.all, e.client(secret, tr))
	}
	return c, nil
}

// copied is a deep copy: what is read is written over it.
func (e entry) copied() entry {
	scopes, parameters := map[string][]string{}, map[string]string{}
	for k, v := range e.Scopes {
		scopes[k] = slices.Clone(v)
	}
	maps.Copy(parameters, e.Parameters)
	e.Hosts, e.Scopes, e.Parameters = slices.Clone(e.Hosts), scopes, parameters
	return e
}

var (
	idForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,39}$`)
	tenantForm = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)
)

// check completes an entry and says what is missing.
func (e *entry) check(others *Clients) error {
	e.Name = cmp.Or(e.Name, e.ID)
	if e.Tenant != "" {
		if e.ID != "microsoft" || !tenantForm.MatchString(e.Tenant) {
			return errors.New(`tenant is for microsoft: "common", "consumers", "organizations", or the tenant's id`)
		}
		for _, address := range []*string{&e.Authorization, &e.Token} {
			*address = strings.Replace(*address, "/common/", "/"+e.Tenant+"/", 1)
		}
	}
	protocols := 0
	for p, s := range e.Scopes {
		if p != "imap" && p != "pop3" {
			return errors.New(`scopes are by protocol: {"imap": ["…"], "pop3": ["…"]}`)
		}
		if len(s) > 0 {
			protocols++
		}
	}
	switch {
	case !idForm.MatchString(e.ID):
		return errors.New("id is missing, or has more than small letters, digits, dots and dashes: it becomes part of the redirect address")
	case others.Get(e.ID) != nil:
		return errors.New("there are two of this id: remove one")
	case e.ClientID == "":
		return errors.New("client_id is missing: it is what the provider calls the client that you have registered there")
	case len(e.Hosts) == 0 || slices.Contains(e.Hosts, ""):
		return errors.New(`hosts are missing: name the provider's mail servers, such as ["imap.example.org"]`)
	case !safe(e.Authorization) || !safe(e.Token):
		return errors.New("authorization and token must be https:// addresses")
	case protocols == 0:
		return errors.New(`scopes are missing: {"imap": ["…"], "pop3": ["…"]}, as the provider calls them`)
	case e.ClientSecret != "" && e.ClientSecretFile != "":
		return errors.New("there are client_secret and client_secret_file: remove one")
	}
	return nil
}

// secret gives the client's secret; a public client has none.
func (e entry) secret(dir string) (vault.Secret, error) {
	if e.ClientSecretFile == "" {
		return vault.NewSecret(e.ClientSecret), nil
	}
	path := e.ClientSecretFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return vault.Secret{}, fmt.Errorf("client_secret_file: %w", err)
	}
	return vault.NewSecret(strings.TrimRight(string(b), "\r\n")), nil
}

func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return &json.SyntaxError{Offset: d.InputOffset()}
	}
	return nil
}

// moved puts an error of a part to its place in the whole.
func moved(err error, by int64) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		e.Offset += by
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		e.Offset += by
	}
	return err
}

// place says where in a file an error is, and quotes nothing of it.
func place(b []byte, err error) error {
	at, what := int64(-1), "is not JSON"
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at, what = e.Offset, fmt.Sprintf("%s is not of its kind", cmp.Or(e.Field, "this"))
	}
	if at < 0 {
		if rest, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return fmt.Errorf("there is no setting %.60s", rest)
		}
		return errors.New("it ends in the middle: check its brackets")
	}
	before := b[:min(max(at, 0), int64(len(b)))]
	line, column := bytes.Count(before, []byte("\n"))+1, len(before)-bytes.LastIndexByte(before, '\n')-1
	return fmt.Errorf("line %d, column %d %s", line, max(column, 1), what)
}
