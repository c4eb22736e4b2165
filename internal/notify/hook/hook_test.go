package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ notify.Notifier = (*Notifier)(nil)

func TestASignedNoticeIsPosted(t *testing.T) {
	t.Parallel()
	key := "key of the webhook"
	status, calls := 204, 0
	var body []byte
	var header http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, _ = io.ReadAll(r.Body)
		header = r.Header
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer s.Close()
	n := New(vault.NewSecret(s.URL+"/hook"), vault.NewSecret(key), http.DefaultTransport)
	box := id.New[id.Mailbox]()
	l := notify.Letter{ID: "1", User: id.New[id.User](), To: "ann@example.org", Kind: notify.Failing, At: time.Now(), Subject: "s", Text: "t",
		Boxes: []notify.LetterBox{{ID: box, Name: "Work", Code: "auth_failed"}}}
	if err := n.Send(t.Context(), l); err != nil {
		t.Fatal(err)
	}

	// As a receiver does it, by the description.
	stamp, signature, _ := strings.Cut(header.Get("Smtp-Sync-Signature"), ",")
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(strings.TrimPrefix(stamp, "t=") + "." + string(body)))
	if want := "v1=" + hex.EncodeToString(mac.Sum(nil)); signature != want {
		t.Errorf("signature = %q, want %q", signature, want)
	}
	at, err := strconv.ParseInt(strings.TrimPrefix(stamp, "t="), 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		t.Errorf("time = %q", stamp)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil || got["kind"] != "failing" || got["user_id"] != l.User.String() || got["id"] != "1" {
		t.Errorf("body = %s, %v", body, err)
	}
	if strings.Contains(string(body), "ann@") {
		t.Error("the address of the user is in it")
	}
	for _, status = range []int{400, 404, 500, 302} {
		calls = 0
		if err := n.Send(t.Context(), l); mail.ClassOf(err) != mail.Transient || err == nil || strings.Contains(err.Error(), s.URL) {
			t.Errorf("%d: %v", status, err)
		}
		if calls != 1 {
			t.Errorf("%d: %d calls, want 1: no redirect is followed", status, calls)
		}
	}
}
