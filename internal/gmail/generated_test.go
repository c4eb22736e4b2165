package gmail_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"testing"

	gapi "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

type bearer struct {
	token string
	http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(r)
}

// Google's own client is the independent witness of the double: it must be able
// to import through each form it knows.
func TestGeneratedClientImportsIntoTheDouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size int
		opts []googleapi.MediaOption // nil: raw
		via  string
	}{
		"one request":          {5000, []googleapi.MediaOption{}, "multipart"},
		"streamed":             {700_000, []googleapi.MediaOption{googleapi.ChunkSize(0)}, "multipart"},
		"chunks":               {700_000, []googleapi.MediaOption{googleapi.ChunkSize(align)}, "resumable"},
		"whole number of them": {2 * align, []googleapi.MediaOption{googleapi.ChunkSize(align)}, "resumable"},
		"base64 in JSON":       {5000, nil, "raw"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, gmailtest.Options{})
			svc, err := gapi.NewService(t.Context(), option.WithEndpoint(w.URL+"/"),
				option.WithHTTPClient(&http.Client{Transport: bearer{w.AccessToken(user), w.transport}}))
			if err != nil {
				t.Fatal(err)
			}
			b := append(message(c.size-1), 0xff) // 8-bit octets travel unchanged
			msg := &gapi.Message{LabelIds: []string{"INBOX"}}
			if c.opts == nil {
				msg.Raw = base64.URLEncoding.EncodeToString(b)
			}
			call := svc.Users.Messages.Import("me", msg).InternalDateSource("receivedTime").NeverMarkSpam(true).Context(t.Context())
			if c.opts != nil {
				call = call.Media(bytes.NewReader(b), append(c.opts, googleapi.ContentType("message/rfc822"))...)
			}
			m, err := call.Do()
			if err != nil {
				t.Fatal(err)
			}
			w.exactlyOnce(t, b)
			got := w.Messages(user)[0]
			if m.Id != got.ID || m.HistoryId == 0 || m.InternalDate == 0 || got.Via != c.via || got.Labels[0] != "INBOX" || got.InternalDateSource != "receivedTime" || !got.NeverMarkSpam {
				t.Errorf("resource = %+v, stored = %+v", m, got)
			}
		})
	}
}
