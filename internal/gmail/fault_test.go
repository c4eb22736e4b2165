package gmail

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Bodies as documented and as seen live (facts 2.5 and 6).
func TestErrorAnswersMeanWhatTheFactsSay(t *testing.T) {
	t.Parallel()
	limits := func(reason, message string) string {
		return `{"error":{"errors":[{"domain":"usageLimits","reason":"` + reason + `","message":"` + message + `"}],"code":403,"message":"` + message + `"}}`
	}
	invalid := func(message string) string {
		return `{"error":{"code":400,"message":"` + message + `","errors":[{"message":"x","domain":"global","reason":"invalidArgument"}],"status":"INVALID_ARGUMENT"}}`
	}
	for name, c := range map[string]struct {
		code  int
		body  string
		class mail.Class
		word  string
		scope string
	}{
		"project rate":          {403, limits("rateLimitExceeded", "Rate Limit Exceeded"), mail.RateLimited, "gmail_rate", "project"},
		"user rate":             {403, limits("userRateLimitExceeded", "User Rate Limit Exceeded"), mail.RateLimited, "gmail_rate", "user"},
		"user rate, live":       {403, `{"error":{"code":403,"message":"User-rate limit exceeded.  Retry after 2026-09-11T20:00:00.000Z","errors":[{"message":"User-rate limit exceeded.","domain":"usageLimits","reason":"rateLimitExceeded"}],"status":"PERMISSION_DENIED"}}`, mail.RateLimited, "gmail_rate", "user"},
		"concurrent, live":      {429, `{"error":{"errors":[{"domain":"usageLimits","reason":"rateLimitExceeded","message":"Too many concurrent requests for user"}],"code":429,"message":"Too many concurrent requests for user"}}`, mail.RateLimited, "gmail_rate", "concurrent"},
		"concurrent, short":     {429, `{"error":{"code":429,"message":"Too many concurrent requests for user","errors":[{"reason":"rateLimitExceeded"}],"status":"RESOURCE_EXHAUSTED"}}`, mail.RateLimited, "gmail_rate", "concurrent"},
		"metric per user":       {429, `{"error":{"code":429,"message":"Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'gmail.googleapis.com' for consumer 'project_number:123'.","errors":[{"domain":"usageLimits","reason":"rateLimitExceeded"}],"status":"RESOURCE_EXHAUSTED"}}`, mail.RateLimited, "gmail_rate", "user"},
		"metric per project":    {429, `{"error":{"code":429,"message":"Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'gmail.googleapis.com' for consumer 'project_number:123'.","status":"RESOURCE_EXHAUSTED"}}`, mail.RateLimited, "gmail_rate", "project"},
		"429 of a front end":    {429, "<html>slow down</html>", mail.RateLimited, "gmail_rate", "user"},
		"daily":                 {403, limits("dailyLimitExceeded", "Daily Limit Exceeded"), mail.RateLimited, "gmail_rate", "day"},
		"quotaExceeded":         {403, limits("quotaExceeded", "Quota exceeded"), mail.RateLimited, "gmail_rate", "project"},
		"scope, live":           {403, `{"error":{"code":403,"message":"Request had insufficient authentication scopes.","errors":[{"message":"Insufficient Permission","domain":"global","reason":"insufficientPermissions"}],"status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`, mail.Grant, "grant_scope_missing", ""},
		"scope in details only": {403, `{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED","details":["odd",{"reason":7},{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`, mail.Grant, "grant_scope_missing", ""},
		"API not enabled":       {403, limits("accessNotConfigured", "Gmail API has not been used in project 1"), mail.Grant, "grant_api_disabled", ""},
		"service disabled":      {403, `{"error":{"code":403,"message":"x","errors":[{"reason":"forbidden"}],"status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}`, mail.Grant, "grant_api_disabled", ""},
		"domain policy":         {403, limits("domainPolicy", "The domain administrators have disabled Gmail apps."), mail.Grant, "grant_account", ""},
		"mail not enabled":      {400, `{"error":{"code":400,"message":"Mail service not enabled","errors":[{"message":"Mail service not enabled","domain":"global","reason":"failedPrecondition"}],"status":"FAILED_PRECONDITION"}}`, mail.Grant, "grant_account", ""},
		"precondition":          {400, `{"error":{"code":400,"message":"Precondition check failed.","status":"FAILED_PRECONDITION"}}`, mail.Grant, "grant_account", ""},
		"unknown 403":           {403, `{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}`, mail.Grant, "grant_forbidden", ""},
		"second 401":            {401, `{"error":{"errors":[{"reason":"authError"}]}}`, mail.Grant, "grant_unauthorized", ""},
		"bare 401":              {401, "", mail.Grant, "grant_unauthorized", ""},
		"from":                  {400, invalid("Invalid From header"), mail.Refused, "gmail_invalid_from", ""},
		"single from":           {400, invalid("Expected a single 'From' header"), mail.Refused, "gmail_single_from", ""},
		"attachment, live":      {400, invalid("Invalid attachment. Please check https://support.google.com/mail/answer/6590."), mail.Refused, "gmail_attachment", ""},
		"label gone":            {400, invalid("labelId not found"), mail.Refused, "gmail_label_missing", ""},
		"label SENT":            {400, invalid("Invalid label: SENT"), mail.Refused, "gmail_label_missing", ""},
		"bad request":           {400, `{"error":{"errors":[{"domain":"global","reason":"badRequest","message":"Bad Request"}],"code":400,"message":"Bad Request"}}`, mail.Refused, "gmail_refused", ""},
		"400 of a front end":    {400, "<html>", mail.Refused, "gmail_refused", ""},
		"too large":             {413, "<html>", mail.Refused, "gmail_too_large", ""},
		"too large, in words":   {413, invalid("Request Entity Too Large"), mail.Refused, "gmail_too_large", ""},
		"backend error":         {500, `{"error":{"errors":[{"domain":"global","reason":"backendError","message":"Backend Error"}],"code":500,"message":"Backend Error"}}`, mail.Unknown, "gmail_unavailable", ""},
		"backend error as 403":  {403, limits("backendError", "x"), mail.Unknown, "gmail_unavailable", ""},
		"500 badRequest":        {500, invalid("x"), mail.Unknown, "gmail_unavailable", ""},
		"503":                   {503, "", mail.Unknown, "gmail_unavailable", ""},
		"504 in an array":       {504, `[{"error":{"code":504,"status":"DEADLINE_EXCEEDED"}}]`, mail.Unknown, "gmail_unavailable", ""},
		"array":                 {400, ` [ ` + invalid("Invalid From header") + ` ]`, mail.Refused, "gmail_invalid_from", ""},
		"empty array":           {400, `[]`, mail.Refused, "gmail_refused", ""},
		"error is a string":     {400, `{"error":"invalid_grant"}`, mail.Refused, "gmail_refused", ""},
		"parts of odd types":    {403, `{"error":{"code":"403","message":["x"],"errors":{"reason":"userRateLimitExceeded"},"status":"RESOURCE_EXHAUSTED"}}`, mail.RateLimited, "gmail_rate", "project"},
		"unknown code":          {418, "", mail.Unknown, "gmail_unavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := new(Client).fault(kindPut, &reply{status: c.code, header: http.Header{}, body: []byte(c.body)})
			if f.Class != c.class || f.Code != c.word || f.Scope != c.scope {
				t.Errorf("got class %d, %s, scope %q; want %d, %s, %q", f.Class, f.Code, f.Scope, c.class, c.word, c.scope)
			}
			named := c.scope == "day" || strings.Contains(strings.ToLower(c.body), "retry after 2")
			if f.Class == mail.RateLimited && (named != f.Until.After(time.Now()) || !named && !f.Until.IsZero()) {
				t.Errorf("until %v; a time was named: %v", f.Until, named)
			}
			if c.class == mail.Unknown {
				if f := new(Client).fault(kindOpen, &reply{status: c.code, header: http.Header{}, body: []byte(c.body)}); f.Class != mail.Transient {
					t.Errorf("at Open class = %d, want Transient: nothing is imported by it", f.Class)
				}
			}
		})
	}
}

func TestRefusalShowsTheReasonWordOnly(t *testing.T) {
	t.Parallel()
	f := new(Client).fault(kindPut, &reply{status: 400, header: http.Header{},
		body: []byte(`{"error":{"message":"Bad subject: Secret plans <bob@example.com>","errors":[{"reason":"quiteInvalid"}]}}`)})
	if !strings.Contains(f.Text, "(quiteInvalid)") {
		t.Errorf("text = %q, want the reason in it", f.Text)
	}
	if s := f.Error() + f.Err.Error(); strings.Contains(s, "Secret") || strings.Contains(s, "bob@") {
		t.Errorf("the fault quotes the message: %s", s)
	}
	f = new(Client).fault(kindPut, &reply{status: 400, header: http.Header{}, body: []byte(`{"error":{"errors":[{"reason":"Secret plans"}]}}`)})
	if s := f.Error() + f.Err.Error(); strings.Contains(s, "Secret") {
		t.Errorf("the fault passes on what is no reason word: %s", s)
	}
}

func TestRetryTimeIsObeyedWithinReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now() // 2000-01-01T00:00:00Z
		for _, c := range []struct {
			message, header string
			want            time.Duration // 0: not named
		}{
			{"User-rate limit exceeded.  Retry after 2000-01-01T02:00:00.000Z", "", 2 * time.Hour},
			{"User-rate limit exceeded.  Retry after 2000-01-01T02:00:00Z (Mail sending)", "", 2 * time.Hour},
			{"user-rate limit exceeded. retry after 2000-01-01T03:00:00.5+01:00", "", 2*time.Hour + 500*time.Millisecond},
			{"Retry after 1999-12-31T23:00:00Z", "", time.Second},   // past
			{"Retry after 2000-01-01T00:00:00.1Z", "", time.Second}, // too soon
			{"Retry after 9999-12-31T23:59:59Z", "", 24 * time.Hour},
			{"Retry after 2000-13-41T99:00:00Z", "", 0},
			{"Retry after a while", "", 0},
			{"", "120", 2 * time.Minute},
			{"", "0", time.Second},
			{"", "99999999999999", 24 * time.Hour},
			{"", "99999999999999999999999", 0},
			{"", "-5", 0},
			{"", "Sat, 01 Jan 2000 00:05:00 GMT", 5 * time.Minute},
			{"", "soon", 0},
			{"Retry after 2000-01-01T02:00:00Z", "60", 2 * time.Hour}, // the later one
			{"Retry after 2000-01-01T00:00:30Z", "60", time.Minute},
		} {
			h := http.Header{}
			if c.header != "" {
				h.Set("Retry-After", c.header)
			}
			until, named := retryAfter(h, c.message, now)
			if named != (c.want != 0) || named && until.Sub(now) != c.want {
				t.Errorf("%q, %q: %v (%v), want %v", c.message, c.header, until.Sub(now), named, c.want)
			}
		}
	})
}

// Whatever comes back, it becomes a Fault whose text is ours.
func FuzzErrorAnswer(f *testing.F) {
	for _, s := range []string{"", "<html>", `{"error":{"code":403,"errors":[{"reason":"x"}]}}`, `[{"error":null}]`, `{"error":{"details":[[]]}}`, "[[[[[["} {
		f.Add(403, s, "1")
	}
	f.Add(429, `{"error":{"message":"Retry after 2026-09-11T20:00:00.000Z"}}`, "Sat, 01 Jan 2000 00:05:00 GMT")
	f.Fuzz(func(t *testing.T, code int, body, retry string) {
		h := http.Header{"Retry-After": {retry}, "Range": {body}}
		fault := new(Client).fault(kindPut, &reply{status: code, header: h, body: []byte(body)})
		if fault == nil || fault.Code == "" || fault.Text == "" {
			t.Fatalf("no fault for %d %q", code, body)
		}
		for _, r := range fault.Error() {
			if r < ' ' || r > '~' {
				t.Fatalf("fault carries foreign octets: %q", fault.Error())
			}
		}
		if !fault.Until.IsZero() && time.Until(fault.Until) > maxRetry {
			t.Fatalf("waits until %v", fault.Until)
		}
		if n, ok := storedOctets(h); ok && n < 0 {
			t.Fatalf("stored = %d", n)
		}
		if id, ok := messageID([]byte(body)); ok && (id == "" || len(id) > 64 || !json.Valid([]byte(body))) {
			t.Fatalf("id %q from %q", id, body)
		}
	})
}
