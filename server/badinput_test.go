package server_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// with gives a definition with some fields replaced; "" takes one out.
func with(pairs ...string) string {
	fields := [][2]string{{"name", `"Old"`}, {"protocol", `"imap"`}, {"host", `"imap.example.com"`}, {"port", `993`}, {"security", `"tls"`},
		{"username", `"me"`}, {"password", `"sesame-4711"`}, {"history", `"all"`}}
	for i := 0; i < len(pairs); i += 2 {
		found := false
		for j := range fields {
			if fields[j][0] == pairs[i] {
				fields[j][1], found = pairs[i+1], true
			}
		}
		if !found {
			fields = append(fields, [2]string{pairs[i], pairs[i+1]})
		}
	}
	var parts []string
	for _, f := range fields {
		if f[1] != "" {
			parts = append(parts, `"`+f[0]+`":`+f[1])
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestBadDefinitionsOfAMailboxAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ name, body, code, field string }{
		{"no host", with("host", `""`), "host_required", "host"},
		{"a URL", with("host", `"imaps://imap.example.com"`), "host_is_not_url", "host"},
		{"an address", with("host", `"me@example.com"`), "host_is_not_url", "host"},
		{"two ports", with("host", `"imap.example.com:143"`), "port_conflict", "port"},
		{"loopback", with("host", `"127.0.0.1"`), "host_not_public", "host"},
		{"loopback with a port", with("host", `"127.0.0.1:993"`), "host_not_public", "host"},
		{"CRLF in the host", with("host", `"a.example\r\nX"`), "control_character", "host"},
		{"port 25", with("port", `25`), "port_not_allowed", "port"},
		{"port 0", with("port", `0`), "port_not_allowed", "port"},
		{"port 70000", with("port", `70000`), "port_not_allowed", "port"},
		{"port 66529, 993 in 16 bits", with("port", `66529`), "port_not_allowed", "port"},
		{"port in words", with("port", `"abc"`), "port_not_allowed", "port"},
		{"port in quotes", with("port", `"993"`), "port_not_allowed", "port"},
		{"no TLS", with("security", `"none"`), "tls_required", "security"},
		{"odd security", with("security", `"ssl3"`), "security_unknown", "security"},
		{"odd protocol", with("protocol", `"jmap"`), "protocol_unknown", "protocol"},
		{"no protocol", with("protocol", ""), "protocol_required", "protocol"},
		{"no user name", with("username", ""), "username_required", "username"},
		{"CRLF in the user name", with("username", `"bob\r\nDELE 1"`), "control_character", "username"},
		{"NUL in the user name", with("username", `"bob\u0000"`), "control_character", "username"},
		{"no password", with("password", ""), "password_required", "password"},
		{"LF in the password", with("password", `"a\nb"`), "control_character", "password"},
		{"an endless password", with("password", `"`+strings.Repeat("x", 1025)+`"`), "too_long", "password"},
		{"CRLF in the name", with("name", `"a\r\nSet-Cookie: x=y"`), "control_character", "name"},
		{"a name read backwards", with("name", `"a\u202eb"`), "control_character", "name"},
		{"an endless name", with("name", `"`+strings.Repeat("ä", 101)+`"`), "too_long", "name"},
		{"no history", with("history", ""), "history_required", "history"},
		{"odd history", with("history", `"some"`), "history_unknown", "history"},
		{"since without a date", with("history", `"since"`), "since_required", "since"},
		{"since no date", with("history", `"since"`, "since", `"yesterday"`), "since_invalid", "since"},
		{"since the year 1", with("history", `"since"`, "since", `"0001-01-01"`), "since_invalid", "since"},
		{"a date for nothing", with("since", `"2024-01-31"`), "since_unexpected", "since"},
		{"too often", with("poll_every", `"5s"`), "poll_every_range", "poll_every"},
		{"too seldom", with("poll_every", `"400d"`), "poll_every_range", "poll_every"},
		{"no unit", with("poll_every", `"5"`), "duration_invalid", "poll_every"},
		{"a number", with("poll_every", `300`), "duration_invalid", "poll_every"},
		{"negative", with("poll_every", `"-5m"`), "duration_invalid", "poll_every"},
		{"no server's name", with("authserv", `["mx.example.net; dmarc=pass"]`), "authserv_invalid", "authserv[0]"},
		{"an empty name of a server", with("authserv", `["mx.example.net",""]`), "authserv_invalid", "authserv[1]"},
		{"any server", with("authserv", `["*"]`), "authserv_invalid", "authserv[0]"},
		{"servers without end", with("authserv", `["`+strings.Repeat(`a","`, 10)+`b"]`), "too_many", "authserv"},
		{"odd source policy", with("after_import", `"burn"`), "after_import_unknown", "after_import"},
		{"seen on POP3", with("protocol", `"pop3"`, "port", `995`, "after_import", `"seen"`), "needs_imap", "after_import"},
		{"folders on POP3", with("protocol", `"pop3"`, "port", `995`, "folders", `[{"name":"INBOX"}]`), "needs_imap", "folders"},
		{"a folder twice", with("folders", `[{"name":"A"},{"name":"A"}]`), "folder_twice", "folders[1].name"},
		{"a folder without a name", with("folders", `[{"label":"A"}]`), "name_required", "folders[0].name"},
		{"CRLF in a folder", with("folders", `[{"name":"A\r\n"}]`), "control_character", "folders[0].name"},
		{"a reserved label", with("label", `"Inbox"`), "label_reserved", "label"},
		{"a label with an empty part", with("label", `"a//b"`), "label_invalid", "label"},
		{"an endless label", with("label", `"`+strings.Repeat("x", 226)+`"`), "too_long", "label"},
		{"CRLF in a label", with("folders", `[{"name":"A","label":"x\r\ny"}]`), "control_character", "folders[0].label"},
		{"an unknown field", with("pasword", `"x"`), "unknown_field", "pasword"},
		{"another case", with("Label", `"x"`), "unknown_field", "Label"},
		{"an unknown field within", with("folders", `[{"nmae":"A"}]`), "unknown_field", "folders[0].nmae"},
		{"a number for a string", with("username", `1`), "wrong_type", "username"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, program := w.person(t, c.name) // each his own limits
			for _, path := range []string{"/api/v1/mailboxes", "/api/v1/mailboxes/test"} {
				if c.code == "history_required" && strings.HasSuffix(path, "test") {
					continue
				}
				a := w.do(t, program, "POST", path, c.body)
				wantProblem(t, a, 422, c.code, c.field)
				if strings.Contains(string(a.body), "sesame") || strings.Contains(string(a.body), "DELE") {
					t.Errorf("a value is echoed: %s", a.body)
				}
			}
		})
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	p := w.do(t, program, "POST", "/api/v1/mailboxes", `{"protocol":"x"}`).problem(t)
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Field)
	}
	if strings.Join(got, " ") != "password protocol host username history" {
		t.Errorf("got %v", got)
	}
}

func TestNoJSONIsRefusedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, browser, program := w.person(t, "owner")
	for _, c := range []struct {
		name, body, kind string
		status           int
		code, field      string
	}{
		{"truncated", `{"protocol":"imap"`, "application/json", 400, "bad_json", ""},
		{"twice", `{"protocol":"imap","protocol":"pop3"}`, "application/json", 400, "duplicate_field", "protocol"},
		{"NaN", `{"port":NaN}`, "application/json", 400, "bad_json", ""},
		{"deep", `{"folders":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`, "application/json", 400, "bad_json", ""},
		{"two values", with() + with(), "application/json", 400, "bad_json", ""},
		{"nothing", " ", "application/json", 400, "bad_json", ""},
		{"a form", "protocol=imap", "application/x-www-form-urlencoded", 415, "json_required", ""},
		{"JSON as text", with(), "text/plain", 415, "json_required", ""},
		{"no type", with(), "", 415, "json_required", ""},
	} {
		for _, who := range []as{browser, program} {
			wantProblem(t, w.do(t, who, "POST", "/api/v1/mailboxes", c.body, field{"Content-Type", c.kind}), c.status, c.code, c.field)
		}
	}
	want(t, w.do(t, program, "POST", "/api/v1/mailboxes", with(), field{"Content-Type", "application/json; charset=utf-8"}), 201)
}

func TestTwoMegabytesAreTooMany(t *testing.T) {
	t.Parallel()
	address := serve(t, newWorld(t))
	for _, path := range []string{"/api/v1/mailboxes", "/nothing", "/auth/logout", "/webhooks/google/risc"} {
		a := post(t, address+path, strings.Repeat("x", 2<<20))
		if a.StatusCode != 413 || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
		if p := a.problem(t); p.Code != "body_too_large" {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

func TestBodiesThatUnpackAreNotUnpacked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(with()))
	_ = z.Close()
	for _, coding := range []string{"gzip", "GZIP", "br", "deflate", "zstd", "gzip, gzip", "identity, gzip", "x"} {
		for _, path := range []string{"/api/v1/mailboxes", "/webhooks/google/risc", "/auth/logout"} {
			wantProblem(t, w.do(t, program, "POST", path, packed.String(), field{"Content-Encoding", coding}, field{"Accept", ""}), 415, "content_encoding", "")
		}
	}
	r := httptest.NewRequest("POST", "/api/v1/mailboxes", &packed)
	r.Header["Content-Encoding"] = []string{"identity", "gzip"} // the last one counts to Fiber
	r.Header.Set("Content-Type", "application/json")
	wantProblem(t, w.raw(t, signed(r, program)), 415, "content_encoding", "")
	want(t, w.do(t, program, "POST", "/api/v1/mailboxes", with(), field{"Content-Encoding", "identity"}), 201)
}

// TestHeadersWithoutEndAndBodiesWithoutALengthAreBounded: who goes on sending
// may find the connection closed before he has read why.
func TestHeadersWithoutEndAndBodiesWithoutALengthAreBounded(t *testing.T) {
	t.Parallel()
	address := serve(t, newWorld(t))
	for status, c := range map[int]struct {
		body   io.Reader
		header string
	}{
		413: {io.MultiReader(strings.NewReader(strings.Repeat("x", 2<<20))), "short"}, // chunked
		431: {nil, strings.Repeat("x", 16<<10)},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/api/v1/mailboxes", c.body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Long", c.header)
		res, err := client.Do(r)
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("%d %s, want %d or nothing", res.StatusCode, b, status)
		}
	}
}

func TestParametersAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old").ID.String()
	for _, c := range []struct{ path, code, field string }{
		{"/audit?stauts=failed", "unknown_parameter", "stauts"},
		{"/audit?status=failed&status=imported", "duplicate_parameter", "status"},
		{"/audit?status=gone", "status_unknown", "status"},
		{"/audit?from=yesterday", "time_invalid", "from"},
		{"/audit?to=1", "time_invalid", "to"},
		{"/audit?limit=0", "limit_range", "limit"},
		{"/audit?limit=501", "limit_range", "limit"},
		{"/audit?limit=ten", "limit_range", "limit"},
		{"/audit?%zz", "bad_query", ""},
		{"/why?mailbox=" + box, "date_required", "date"},
		{"/why?date=2024-01-31", "mailbox_required", "mailbox"},
		{"/why?mailbox=" + box + "&date=31.1.2024", "time_invalid", "date"},
		{"/stats?window=5", "window_range", "window"},
		{"/stats?window=1000d", "window_range", "window"},
		{"/stats?window=-1h", "window_range", "window"},
		{"/discover", "address_required", "address"},
		{"/me?verbose=1", "unknown_parameter", "verbose"},
	} {
		wantProblem(t, w.do(t, program, "GET", "/api/v1"+c.path, ""), 400, c.code, c.field)
	}
}

func TestFaultsOfAdaptersAreShownAndNothingElseIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	w.Failed = &mail.Fault{Class: mail.RateLimited, Until: time.Now().Add(time.Hour), Code: "too_many_guesses", Text: "too many logins have failed", Help: "wait an hour"}
	limited := w.do(t, program, "POST", "/api/v1/mailboxes/test", with())
	wantProblem(t, limited, 429, "too_many_guesses", "")
	if after := limited.Header.Get("Retry-After"); after != "3600" {
		t.Errorf("Retry-After %s", after)
	}
	w.Failed = errSecret("dial 10.0.0.7: password sesame")
	a := w.do(t, program, "POST", "/api/v1/mailboxes/test", with())
	wantProblem(t, a, 500, "internal", "")
	if strings.Contains(string(a.body), "sesame") || strings.Contains(string(a.body), "10.0.0.7") {
		t.Errorf("an inner error is shown: %s", a.body)
	}
	if !strings.Contains(w.Log(), "dial 10.0.0.7") {
		t.Error("the operator is not told")
	}
}

func TestAPanicIsAnInternalErrorAndSaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	w.Panics = "sesame-4711"
	a := w.do(t, program, "GET", "/api/v1/discover?address=a@b.example", "")
	wantProblem(t, a, 500, "internal", "")
	if log := w.Log(); strings.Contains(string(a.body)+log, "sesame") || !strings.Contains(log, "panic: string at servertest.(*World).Find:") {
		t.Errorf("answer %s, log %s", a.body, log)
	}
	want(t, w.do(t, program, "GET", "/api/v1/me", ""), 200)
}

func TestTheHostFieldDecidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, browser, program := w.person(t, "owner")
	for _, path := range []string{"/auth/google/login", "/"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
		a := w.raw(t, signed(r, browser))
		if strings.Contains(a.Header.Get("Location")+string(a.body), "evil.example") {
			t.Errorf("%s: %v %s", path, a.Header, a.body)
		}
	}
	r := httptest.NewRequest("POST", "/api/v1/mailboxes", strings.NewReader(with()))
	r.Host = "evil.example"
	r.Header.Set("Content-Type", "application/json")
	if a := w.raw(t, signed(r, program)); !strings.HasPrefix(a.Header.Get("Location"), "https://mail.example.org/") {
		t.Errorf("Location %s", a.Header.Get("Location"))
	}
}
