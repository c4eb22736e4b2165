package server

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	res, err := s.app.Test(httptest.NewRequest("GET", path, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("%s: policy %q", path, csp)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestThePageShowsWhatArrived(t *testing.T) {
	t.Parallel()
	s := New(func() Status {
		return Status{
			Title:     "demo",
			Mailboxes: []Mailbox{{Name: "old mail", State: "idle", Imported: 3}},
			Recent:    []Entry{{At: time.Now(), Mailbox: "old mail", Domain: "a.example", Status: "imported", Size: 42}},
		}
	}, func() bool { return true })
	code, body := get(t, s, "/")
	for _, want := range []string{"old mail", "a.example", "imported", "42"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("status %d, no %q on the page", code, want)
		}
	}
}

func TestAnEmptyPageSaysSo(t *testing.T) {
	t.Parallel()
	_, body := get(t, New(func() Status { return Status{} }, func() bool { return true }), "/")
	if !strings.Contains(body, "Nothing has arrived yet.") {
		t.Error("an empty page says nothing")
	}
}

func TestWhatASenderWritesIsNeverMarkup(t *testing.T) {
	t.Parallel()
	const evil = `<script>alert(1)</script>`
	_, body := get(t, New(func() Status {
		return Status{Mailboxes: []Mailbox{{Name: evil}}, Recent: []Entry{{Domain: evil, Reason: evil}}}
	}, func() bool { return true }), "/")
	if strings.Contains(body, evil) {
		t.Error("markup passed through")
	}
}

func TestReadyzFollowsTheProcess(t *testing.T) {
	t.Parallel()
	ready := false
	s := New(func() Status { return Status{} }, func() bool { return ready })
	if code, _ := get(t, s, "/readyz"); code != 503 {
		t.Errorf("got %d, want 503", code)
	}
	if code, _ := get(t, s, "/healthz"); code != 200 {
		t.Errorf("healthz: %d", code)
	}
	ready = true
	if code, _ := get(t, s, "/readyz"); code != 200 {
		t.Errorf("got %d, want 200", code)
	}
}
