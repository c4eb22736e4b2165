package gmailtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

const (
	user = "u@example.org"
	mib  = 1 << 20
	base = "/upload/gmail/v1/users/me/messages/import?uploadType="
)

// site is a double on httptest with a token, spoken to octet by octet.
type site struct {
	*gmailtest.Server
	url, token string
}

func newSite(t *testing.T, o gmailtest.Options) *site {
	t.Helper()
	s := gmailtest.New(o)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return &site{s, h.URL, s.AccessToken(user, gmailtest.ScopeInsert, gmailtest.ScopeLabels)}
}

// do makes a request; address may be a path or a whole session URI.
func (s *site) do(t *testing.T, method, address string, body []byte, headers ...string) (int, http.Header, string) {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = s.url + address
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func (s *site) open(t *testing.T, headers ...string) string {
	t.Helper()
	code, h, body := s.do(t, "POST", base+"resumable", []byte(`{"labelIds":["INBOX"]}`), append([]string{"X-Upload-Content-Type", "message/rfc822"}, headers...)...)
	if code != 200 || h.Get("Location") == "" || body != "" {
		t.Fatalf("open: %d %v %s", code, h, body)
	}
	return h.Get("Location")
}

func span(from, to int, total string) string { return fmt.Sprintf("bytes %d-%d/%s", from, to-1, total) }

func want(t *testing.T, what string, got, code int) {
	t.Helper()
	if got != code {
		t.Errorf("%s: status = %d, want %d", what, got, code)
	}
}

func TestSessionRequestsAreValidatedStrictly(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	k := make([]byte, 1000)
	for name, r := range map[string]struct {
		span string
		body []byte
	}{
		"no range":              {"", k},
		"no unit":               {"0-999/1000", k},
		"open range":            {"bytes 0-/1000", k},
		"backwards":             {"bytes 5-1/1000", k},
		"beyond the total":      {"bytes 1-1000/1000", k},
		"negative":              {"bytes -5-10/1000", k},
		"leading zero":          {"bytes 00-999/1000", k},
		"length differs":        {"bytes 0-998/1000", k},
		"chunk not a multiple":  {"bytes 0-999/*", k},
		"chunk not a multiple2": {"bytes 0-999/2000", k},
		"question with octets":  {"bytes */1000", k},
		"garbage":               {"bytes a-b/c", k},
	} {
		code, _, _ := s.do(t, "PUT", s.open(t), r.body, "Content-Range", r.span)
		want(t, name, code, 400)
	}
	uri := s.open(t, "X-Upload-Content-Length", "500")
	code, _, _ := s.do(t, "PUT", uri, k, "Content-Range", span(0, 1000, "1000"))
	want(t, "another size than announced", code, 400)
	code, _, _ = s.do(t, "GET", uri, nil)
	want(t, "GET", code, 405)
	token := s.token
	s.token = ""
	code, _, _ = s.do(t, "PUT", uri, k[:500], "Content-Range", span(0, 500, "500"))
	want(t, "no token", code, 401)
	s.token = s.AccessToken("other@example.org")
	code, _, _ = s.do(t, "PUT", uri, k[:500], "Content-Range", span(0, 500, "500"))
	want(t, "somebody else's session", code, 404)
	s.token = token
	code, _, _ = s.do(t, "PUT", strings.Replace(uri, "session_crd=", "session_crd=x", 1), k[:500], "Content-Range", span(0, 500, "500"))
	want(t, "half a capability", code, 404)
	if n := s.Count(user); n != 0 {
		t.Errorf("messages = %d, want none", n)
	}
	code, _, _ = s.do(t, "PUT", uri, k[:500], "Content-Range", span(0, 500, "500"))
	want(t, "the right way", code, 200)
}

func TestOpenIsValidated(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	rfc := []string{"X-Upload-Content-Type", "message/rfc822"}
	for name, r := range map[string]struct {
		query   string
		body    string
		headers []string
		code    int
		text    string
	}{
		"no media type":   {"", "{}", nil, 400, "is not supported. Valid media types: [message/*]"},
		"text":            {"", "{}", []string{"X-Upload-Content-Type", "text/plain"}, 400, "badContent"},
		"bad JSON":        {"", "{", rfc, 400, "parseError"},
		"SENT":            {"", `{"labelIds":["SENT"]}`, rfc, 400, "Invalid label: SENT"},
		"unknown label":   {"", `{"labelIds":["Label_7"]}`, rfc, 400, "labelId not found"},
		"date source":     {"&internalDateSource=now", "{}", rfc, 400, ""},
		"bool":            {"&neverMarkSpam=perhaps", "{}", rfc, 400, ""},
		"over the limit":  {"", "{}", append(rfc[:2:2], "X-Upload-Content-Length", "157286401"), 413, ""},
		"at the limit":    {"", "{}", append(rfc[:2:2], "X-Upload-Content-Length", "157286400"), 200, ""},
		"negative length": {"", "{}", append(rfc[:2:2], "X-Upload-Content-Length", "-1"), 400, ""},
		"any message/*":   {"", "", []string{"X-Upload-Content-Type", "message/global"}, 200, ""},
	} {
		code, _, body := s.do(t, "POST", base+"resumable"+r.query, []byte(r.body), r.headers...)
		want(t, name, code, r.code)
		if !strings.Contains(body, r.text) {
			t.Errorf("%s: body = %s, want %q in it", name, body, r.text)
		}
	}
	s.token = s.AccessToken(user, gmailtest.ScopeLabels)
	code, _, body := s.do(t, "POST", base+"resumable", nil, rfc...)
	if code != 403 || !strings.Contains(body, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") {
		t.Errorf("without the scope: %d %s", code, body)
	}
	s.token = ""
	code, _, body = s.do(t, "POST", base+"resumable", nil, rfc...)
	if code != 401 || !strings.Contains(body, "authError") {
		t.Errorf("without a token: %d %s", code, body)
	}
}

func TestPostServesAsPutAndNo308IsHonoured(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	uri := s.open(t)
	if path := strings.TrimPrefix(uri, s.url); !strings.HasPrefix(path, "/resumable/upload/") {
		t.Errorf("session path = %.40s, want another than the one asked", path)
	}
	b := bytes.Repeat([]byte("x"), 256<<10+10)
	code, h, _ := s.do(t, "POST", uri, b[:256<<10], "Content-Range", span(0, 256<<10, "*"), "X-GUploader-No-308", "yes")
	if code != 200 || h.Get("X-Http-Status-Code-Override") != "308" || h.Get("Range") != "bytes=0-262143" {
		t.Errorf("answer = %d %v", code, h)
	}
	// Octets that are there already are not taken twice.
	code, _, _ = s.do(t, "POST", uri, b, "Content-Range", span(0, len(b), fmt.Sprint(len(b))))
	want(t, "overlap", code, 200)
	m := s.Messages(user)
	if len(m) != 1 || m[0].Size != int64(len(b)) {
		t.Errorf("stored = %+v", m)
	}
}

func TestGapIsNotFilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	uri := s.open(t)
	b := make([]byte, 256<<10)
	code, h, _ := s.do(t, "PUT", uri, b, "Content-Range", span(256<<10, 512<<10, "*"))
	if code != 308 || h.Get("Range") != "" || s.Stats().Gaps != 1 {
		t.Errorf("answer = %d %v, gaps %d", code, h, s.Stats().Gaps)
	}
}

func TestCancelledSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	uri := s.open(t)
	code, _, _ := s.do(t, "DELETE", uri, nil)
	want(t, "cancel", code, 499)
	code, _, _ = s.do(t, "PUT", uri, nil, "Content-Range", "bytes */*")
	want(t, "afterwards", code, 404)
}

// Two processes finishing one session at the same time make one message.
func TestConcurrentPutsAreCarriedOutOneAfterAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	uri := s.open(t)
	b := bytes.Repeat([]byte("y"), mib)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			code, _, body := s.do(t, "PUT", uri, b, "Content-Range", span(0, mib, fmt.Sprint(mib)))
			if code != 200 {
				t.Errorf("status %d: %s", code, body)
			}
		})
	}
	wg.Wait()
	if n := s.Count(user); n != 1 {
		t.Errorf("messages = %d, want 1", n)
	}
}

func TestSimpleAndMultipartUploads(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{CheckFrom: true, MaxSize: 1000})
	msg := "From: a@example.net\r\nSubject: \xff\r\n\r\nbody\r\n"
	multi := func(meta, kind, msg, end string) []byte {
		return []byte("--B\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n" + meta + "\r\n--B\r\nContent-Type: " + kind + "\r\n\r\n" + msg + "\r\n--B" + end)
	}
	related := "multipart/related; boundary=B"
	for name, r := range map[string]struct {
		how, kind string
		body      []byte
		code      int
	}{
		"simple":            {"media", "message/rfc822", []byte(msg), 200},
		"simple, text":      {"media", "text/plain", []byte(msg), 400},
		"simple, no From":   {"media", "message/rfc822", []byte("Subject: x\r\n\r\n"), 400},
		"simple, too large": {"media", "message/rfc822", []byte(msg + strings.Repeat("x", 1000)), 413},
		"multipart":         {"multipart", related, multi(`{"labelIds":["INBOX"]}`, "message/rfc822", msg, "--\r\n"), 200},
		"multipart, label":  {"multipart", related, multi(`{"labelIds":["DRAFT"]}`, "message/rfc822", msg, "--"), 400},
		"multipart, type":   {"multipart", related, multi(`{}`, "text/plain", msg, "--"), 400},
		"multipart, JSON":   {"multipart", related, multi(`{`, "message/rfc822", msg, "--"), 400},
		"multipart, mixed":  {"multipart", "multipart/mixed; boundary=B", multi(`{}`, "message/rfc822", msg, "--"), 400},
		"what is that":      {"carrier-pigeon", "message/rfc822", []byte(msg), 400},
	} {
		code, _, body := s.do(t, "POST", base+r.how, r.body, "Content-Type", r.kind)
		if code != r.code {
			t.Errorf("%s: %d %s, want %d", name, code, body, r.code)
		}
	}
	m := s.Messages(user)
	if len(m) != 2 || m[0].SHA256 != m[1].SHA256 || m[0].Size != int64(len(msg)) {
		t.Errorf("stored = %+v, want two equal ones of %d octets", m, len(msg))
	}
	code, _, _ := s.do(t, "POST", strings.Replace(base, "/import", "", 1)+"media", []byte("Subject: x\r\n\r\n"), "Content-Type", "message/rfc822")
	want(t, "insert takes mail without From", code, 200)
	if m := s.Messages(user)[2]; m.Method != "insert" || m.InternalDateSource != "receivedTime" {
		t.Errorf("inserted = %+v", m)
	}
}

func TestLabelsEndpoint(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	const all = "/gmail/v1/users/me/labels"
	code, _, body := s.do(t, "POST", all, []byte(`{"name":"Legacy/x"}`))
	var l struct{ ID string }
	if err := json.Unmarshal([]byte(body), &l); err != nil || code != 200 || l.ID == "" {
		t.Fatalf("create: %d %s", code, body)
	}
	code, _, body = s.do(t, "POST", all, []byte(`{"name":"legacy/X"}`))
	if code != 409 || !strings.Contains(body, "aborted") {
		t.Errorf("conflict: %d %s", code, body)
	}
	code, _, _ = s.do(t, "POST", all, []byte(`{"name":"inbox"}`))
	want(t, "reserved", code, 400)
	code, _, _ = s.do(t, "PATCH", all+"/"+l.ID, []byte(`{"name":"New"}`))
	want(t, "patch", code, 200)
	if s.Labels(user)["New"] != l.ID {
		t.Errorf("labels = %v", s.Labels(user))
	}
	code, _, _ = s.do(t, "DELETE", all+"/INBOX", nil)
	want(t, "delete a system label", code, 400)
	code, _, _ = s.do(t, "DELETE", all+"/"+l.ID, nil)
	want(t, "delete", code, 204)
	code, _, _ = s.do(t, "GET", all+"/"+l.ID, nil)
	want(t, "get", code, 404)
	s.token = s.AccessToken(user)
	code, _, _ = s.do(t, "GET", all, nil)
	want(t, "with gmail.insert only", code, 403)
}

func TestFaultRulesAreTakenInOrderAndRunOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	s.Next(gmailtest.Fault{At: gmailtest.Open, Kind: gmailtest.Answer, Status: 503, Skip: 1, Times: 2})
	s.Next(gmailtest.Fault{At: gmailtest.Open, Kind: gmailtest.Answer, Status: 500, User: "nobody@example.org"})
	for i, code := range []int{200, 503, 503, 200} {
		got, _, _ := s.do(t, "POST", base+"resumable", nil, "X-Upload-Content-Type", "message/rfc822")
		want(t, fmt.Sprint("request ", i), got, code)
	}
	s.Fault(func(r gmailtest.Request) (gmailtest.Fault, bool) {
		return gmailtest.Fault{Kind: gmailtest.CommitThenAnswer, Status: 502}, r.Last() && r.User == user
	})
	code, _, _ := s.do(t, "PUT", s.open(t), []byte("x"), "Content-Range", "bytes 0-0/1")
	want(t, "hook", code, 502)
	if s.Count(user) != 1 {
		t.Error("not committed before the fault")
	}
	s.ClearFaults()
	code, _, _ = s.do(t, "PUT", s.open(t), []byte("x"), "Content-Range", "bytes 0-0/1")
	want(t, "cleared", code, 200)
}

func TestOtherProcessesSeeTheTruth(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	code, _, body := s.do(t, "POST", "/_double/users", []byte(`{"email":"v@example.org"}`))
	var v struct {
		Refresh string `json:"refresh_token"`
		Access  string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil || code != 200 || v.Refresh == "" {
		t.Fatalf("users: %d %s", code, body)
	}
	s.token = v.Access
	code, _, _ = s.do(t, "POST", "/_double/fault", []byte(`{"at":"put","kind":"commit_then_answer","status":503}`))
	want(t, "fault", code, 204)
	code, _, _ = s.do(t, "PUT", s.open(t), []byte("x"), "Content-Range", "bytes 0-0/1")
	want(t, "put", code, 503)
	_, _, body = s.do(t, "GET", "/_double/hashes?user=v@example.org", nil)
	if body != `{"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881":1}` {
		t.Errorf("hashes = %s", body)
	}
	_, _, body = s.do(t, "GET", "/_double/messages?user=v@example.org", nil)
	var ms []gmailtest.Stored
	if err := json.Unmarshal([]byte(body), &ms); err != nil || len(ms) != 1 || ms[0].Size != 1 {
		t.Errorf("messages = %s", body)
	}
	_, _, body = s.do(t, "GET", "/_double/stats", nil)
	if !strings.Contains(body, `"committed":1`) || !strings.Contains(body, `"put":1`) {
		t.Errorf("stats = %s", body)
	}
	for path, in := range map[string]string{"quota": `{"concurrent":5}`, "consent": `{"deny":true}`, "expire": `{}`, "revoke": `{"email":"v@example.org"}`} {
		code, _, _ = s.do(t, "POST", "/_double/"+path, []byte(in))
		want(t, path, code, 204)
	}
	code, _, _ = s.do(t, "POST", base+"resumable", nil, "X-Upload-Content-Type", "message/rfc822")
	want(t, "after the revocation", code, 401)
}

// The double keeps digests only, and they are right.
func TestLongBodyIsHashedAsItPasses(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	const size = 64 * mib
	req, err := http.NewRequestWithContext(t.Context(), "PUT", s.open(t), io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Range", span(0, size, fmt.Sprint(size)))
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	// sha256 of 64 MiB of zero octets, from an independent tool
	if got := s.Messages(user)[0].SHA256; got != "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351" {
		t.Errorf("sha256 = %s", got)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
