package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// ServeDouble is the role of the Gmail double: it says its address and serves
// until ctx ends.
func ServeDouble(ctx context.Context, say io.Writer) error {
	l, err := gmailtest.Start(gmailtest.Options{}, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintln(say, l.URL)
	<-ctx.Done()
	return nil
}

// Double is the Gmail double in another process.
type Double struct{ URL string }

// Tokens of a Gmail account.
type Tokens struct {
	Refresh string `json:"refresh_token"`
	Access  string `json:"access_token"`
	Sub     string `json:"sub"`
}

// User makes a Gmail account.
func (d Double) User(ctx context.Context, email string) (t Tokens, err error) {
	return t, d.call(ctx, http.MethodPost, "users", map[string]any{"email": email, "scopes": []string{gmailtest.ScopeInsert, gmailtest.ScopeLabels}}, &t)
}

// Quota sets the double's limits; its buckets start full.
func (d Double) Quota(ctx context.Context, q gmailtest.Quota) error {
	return d.call(ctx, http.MethodPost, "quota", q, nil)
}

// Stats are the double's counters.
func (d Double) Stats(ctx context.Context) (s gmailtest.Stats, err error) {
	return s, d.call(ctx, http.MethodGet, "stats", nil, &s)
}

// Messages gives what has arrived at an account.
func (d Double) Messages(ctx context.Context, email string) (m []gmailtest.Stored, err error) {
	return m, d.call(ctx, http.MethodGet, "messages?user="+url.QueryEscape(email), nil, &m)
}

func (d Double) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.URL+"/_double/"+path, body)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the Gmail double: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the Gmail double: %s: status %d", path, res.StatusCode)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("the Gmail double: %s: %w", path, err)
	}
	return nil
}
