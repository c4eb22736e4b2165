package risc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

const (
	user = "u@example.org"
	kind = "application/secevent+jwt"
)

func TestEachEventIsUnderstood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.l.RefreshToken(user)
	for name, c := range map[string]struct {
		event  gmailtest.Event
		want   risc.Kind
		sub    bool
		reason string
	}{
		"sessions-revoked":     {gmailtest.Event{Type: "sessions-revoked"}, risc.SessionsRevoked, true, ""},
		"tokens-revoked":       {gmailtest.Event{Type: "tokens-revoked"}, risc.TokensRevoked, true, ""},
		"token-revoked":        {gmailtest.Event{Type: "token-revoked", Token: token}, risc.TokenRevoked, false, ""},
		"token-revoked prefix": {gmailtest.Event{Type: "token-revoked", Token: token, Prefix: true}, risc.TokenRevoked, false, ""},
		"hijacking":            {gmailtest.Event{Type: "account-disabled", Extra: map[string]any{"reason": "hijacking"}}, risc.AccountDisabled, true, "hijacking"},
		"bulk":                 {gmailtest.Event{Type: "account-disabled", Extra: map[string]any{"reason": "bulk-account"}}, risc.AccountDisabled, true, "bulk-account"},
		"strange reason":       {gmailtest.Event{Type: "account-disabled", Extra: map[string]any{"reason": "<b>"}}, risc.AccountDisabled, true, ""},
		"enabled":              {gmailtest.Event{Type: "account-enabled"}, risc.AccountEnabled, true, ""},
		"purged":               {gmailtest.Event{Type: "account-purged"}, risc.AccountPurged, true, ""},
		"credential change":    {gmailtest.Event{Type: "account-credential-change-required"}, risc.CredentialChangeRequired, true, ""},
		"verification":         {gmailtest.Event{Type: "verification", Extra: map[string]any{"state": "x", "subject": nil}}, risc.Verification, false, ""},
		"tomorrow's":           {gmailtest.Event{Type: "risc/event-type/sessions-frozen"}, risc.Other, false, ""},
		"another profile's":    {gmailtest.Event{Type: "caep/event-type/session-revoked", Extra: map[string]any{"subject": 7}}, risc.Other, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := w.r.Verify(t.Context(), kind, w.event(c.event))
			if err != nil || len(events) != 1 {
				t.Fatalf("%v %v", events, err)
			}
			e := events[0]
			if e.Kind != c.want || (e.Sub == w.l.Sub(user)) != c.sub || e.Reason != c.reason || e.JTI == "" || time.Since(e.At) > time.Minute {
				t.Errorf("event = %+v", e)
			}
			if got := e.Matches(vault.NewSecret(token)); got != (c.want == risc.TokenRevoked) {
				t.Errorf("matches the refresh token: %v", got)
			}
			if e.Matches(vault.NewSecret("1//0another")) || e.Matches(vault.Secret{}) {
				t.Error("matches another token")
			}
			if strings.Contains(fmt.Sprintf("%+v", e), token[:10]) {
				t.Error("the event shows a piece of the token")
			}
		})
	}
}

// Every check, with a token that fails it alone.
func TestTokenThatIsNotForUsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "our-other-client")
	claim := func(name string, v any) gmailtest.Event { return gmailtest.Event{Claims: map[string]any{name: v}} }
	head := func(name string, v any) gmailtest.Event { return gmailtest.Event{Header: map[string]any{name: v}} }
	subject := func(m map[string]string) gmailtest.Event {
		return gmailtest.Event{Extra: map[string]any{"subject": m}}
	}
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	iss := w.l.URL + "/"
	token := func(alg, v string) gmailtest.Event {
		e := subject(map[string]string{"subject_type": "oauth_token", "token_type": "refresh_token", "token_identifier_alg": alg, "token": v})
		e.Type = "token-revoked"
		return e
	}
	named := func(subjectType, tokenType string) gmailtest.Event {
		e := subject(map[string]string{"subject_type": subjectType, "token_type": tokenType, "token_identifier_alg": "prefix", "token": "1//0abcdefghijkl", "iss": iss, "sub": "1"})
		e.Type = "token-revoked"
		return e
	}
	for name, c := range map[string]struct {
		event gmailtest.Event
		code  string // "" is good
	}{
		"as Google makes it":        {gmailtest.Event{}, ""},
		"no signature":              {head("alg", "none"), "invalid_request"},
		"HS256 with the key":        {head("alg", "HS256"), "invalid_request"},
		"PS256":                     {head("alg", "PS256"), "invalid_request"},
		"no alg":                    {head("alg", nil), "invalid_request"},
		"unknown key":               {head("kid", "x"), "invalid_key"},
		"no key":                    {head("kid", nil), "invalid_key"},
		"no typ":                    {head("typ", nil), ""},
		"typ JWT":                   {head("typ", "JWT"), ""},
		"typ in full":               {head("typ", "application/secevent+jwt"), ""},
		"typ of an access token":    {head("typ", "at+jwt"), "invalid_request"},
		"critical header":           {head("crit", []string{"x"}), "invalid_key"},
		"another issuer":            {claim("iss", "https://accounts.example/"), "invalid_issuer"},
		"issuer of ID tokens":       {claim("iss", w.l.URL), "invalid_issuer"},
		"no issuer":                 {claim("iss", nil), "invalid_issuer"},
		"another audience":          {claim("aud", "somebody"), "invalid_audience"},
		"no audience":               {claim("aud", nil), "invalid_audience"},
		"empty audience":            {claim("aud", []string{}), "invalid_audience"},
		"we among others":           {claim("aud", []string{"x", gmailtest.DefaultClientID}), ""},
		"another client of ours":    {claim("aud", "our-other-client"), ""},
		"audience is a number":      {claim("aud", 7), "invalid_request"},
		"no time":                   {claim("iat", nil), "invalid_request"},
		"time is text":              {claim("iat", "now"), "invalid_request"},
		"time beyond all":           {claim("iat", 1e300), "invalid_request"},
		"too old":                   {claim("iat", at(-risc.MaxAge-time.Minute)), "invalid_request"},
		"old":                       {claim("iat", at(-risc.MaxAge+time.Minute)), ""},
		"from the future":           {claim("iat", at(6*time.Minute)), "invalid_request"},
		"a clock ahead":             {claim("iat", at(4*time.Minute)), ""},
		"an expiry is no matter":    {claim("exp", at(-time.Hour)), ""},
		"no jti":                    {claim("jti", nil), "invalid_request"},
		"endless jti":               {claim("jti", strings.Repeat("j", 256)), "invalid_request"},
		"no events: an ID token":    {claim("events", nil), "invalid_request"},
		"no event":                  {claim("events", map[string]any{}), "invalid_request"},
		"events are a list":         {claim("events", []string{"x"}), "invalid_request"},
		"no subject":                {subject(nil), "invalid_request"},
		"subject of another issuer": {subject(map[string]string{"subject_type": "iss-sub", "iss": "https://e.example", "sub": "1"}), "invalid_request"},
		"subject without sub":       {subject(map[string]string{"subject_type": "iss-sub", "iss": iss}), "invalid_request"},
		"subject too long":          {subject(map[string]string{"subject_type": "iss-sub", "iss": iss, "sub": strings.Repeat("1", 256)}), "invalid_request"},
		"subject by address":        {subject(map[string]string{"subject_type": "email", "email": user, "iss": iss, "sub": "1"}), "invalid_request"},
		"subject without slash":     {subject(map[string]string{"subject_type": "iss_sub", "iss": w.l.URL, "sub": "1"}), ""},
		"subject is a number":       {gmailtest.Event{Extra: map[string]any{"subject": 7}}, "invalid_request"},
		"account for a token":       {gmailtest.Event{Type: "token-revoked", Email: user}, "invalid_request"},
		"account by a prefix":       {named("iss-sub", "refresh_token"), "invalid_request"},
		"an access token":           {named("oauth_token", "access_token"), "invalid_request"},
		"short prefix":              {token("prefix", "1//0"), "invalid_request"},
		"empty hash":                {token("hash_base64_sha512_sha512", ""), "invalid_request"},
		"another hash":              {token("md5", "x"), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := w.r.Receive(t.Context(), kind, w.event(c.event))
			if c.code == "" {
				if a.Status != 202 || a.Body != nil || a.Err != nil || a.Again {
					t.Errorf("answer = %d %s (%v)", a.Status, a.Body, a.Err)
				}
				return
			}
			wantRefused(t, a, c.code)
		})
	}
}

func wantRefused(t *testing.T, a risc.Answer, code string) {
	t.Helper()
	var body struct{ Err, Description string }
	if err := json.Unmarshal(a.Body, &body); a.Status != 400 || err != nil || body.Err != code || body.Description == "" || a.Err == nil {
		t.Errorf("answer = %d %s, want 400 %s", a.Status, a.Body, code)
	}
	if strings.Contains(string(a.Body), "eyJ") || strings.Contains(string(a.Body), "sub\":") {
		t.Errorf("the answer quotes the token: %s", a.Body)
	}
}

func TestBodyThatIsNoTokenIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.event(gmailtest.Event{})
	part := strings.Split(string(good), ".")
	other := strings.Split(string(w.event(gmailtest.Event{Type: "account-purged"})), ".")
	for name, c := range map[string]struct {
		kind, body, code string
	}{
		"empty":             {kind, "", "invalid_request"},
		"words":             {kind, "hello", "invalid_request"},
		"form":              {"application/x-www-form-urlencoded", string(good), "invalid_request"},
		"no content type":   {"", string(good), "invalid_request"},
		"JSON":              {"application/json", string(good), "invalid_request"},
		"two parts":         {kind, part[0] + "." + part[1], "invalid_request"},
		"signature cut":     {kind, part[0] + "." + part[1] + "." + part[2][:100], "invalid_key"},
		"signature of none": {kind, part[0] + "." + part[1] + ".", "invalid_key"},
		"other's claims":    {kind, part[0] + "." + other[1] + "." + part[2], "invalid_key"},
		"JSON form":         {kind, fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, part[0], part[1], part[2]), "invalid_request"},
		"too large":         {kind, string(good) + strings.Repeat(" ", 64<<10), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, w.r.Receive(t.Context(), c.kind, []byte(c.body)), c.code)
		})
	}
	if a := w.r.Receive(t.Context(), "application/secevent+jwt; charset=utf-8", append(good, '\n')); a.Status != 202 {
		t.Errorf("answer = %d %s", a.Status, a.Body)
	}
	if w.b.count() != 1 {
		t.Errorf("taken = %d, want 1", w.b.count())
	}
}

func TestDeliveryIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a := w.r.Receive(r.Context(), r.Header.Get("Content-Type"), body)
		rw.WriteHeader(a.Status)
		_, _ = rw.Write(a.Body)
	}))
	defer site.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			code, err := w.l.SendEvent(t.Context(), http.DefaultClient, site.URL, gmailtest.Event{Type: "tokens-revoked", Email: user, JTI: "one", Issuer: w.l.URL + "/"})
			if err != nil || code != 202 {
				t.Errorf("delivery: %d %v", code, err)
			}
		})
	}
	wg.Wait()
	if a := w.r.Receive(t.Context(), kind, w.event(gmailtest.Event{JTI: "one"})); a.Status != 202 || !a.Again {
		t.Errorf("again: %+v", a)
	}
	if w.b.count() != 1 {
		t.Errorf("taken = %d, want 1", w.b.count())
	}
}

// 503 makes Google come again; what could not be judged or kept is not lost.
func TestOurTroubleIsNotBlamedOnTheSender(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.b.fail = errors.New("disk full at /secret")
	if a := w.r.Receive(t.Context(), kind, w.event(gmailtest.Event{})); a.Status != 503 || a.Body != nil || a.Err == nil {
		t.Errorf("inbox fails: %+v", a)
	}
	w = newWorld(t)
	w.l.Next(gmailtest.Fault{At: gmailtest.Certs, Kind: gmailtest.Answer, Status: 500, Body: "x"})
	for range 2 { // the second is within the minute: no look, and still no verdict
		if a := w.r.Receive(t.Context(), kind, w.event(gmailtest.Event{})); a.Status != 503 || mail.ClassOf(a.Err) != mail.Transient {
			t.Errorf("keys out of reach: %+v", a)
		}
	}
	if n := w.l.Stats().Requests[gmailtest.Certs]; n != 1 {
		t.Errorf("looks = %d, want 1", n)
	}
}

func TestIssuerOfEventsMustBeItself(t *testing.T) {
	t.Parallel()
	l, err := gmailtest.Start(gmailtest.Options{URL: "https://other.example"}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := assemble(t, l, &http.Transport{})
	if a := w.r.Receive(t.Context(), kind, w.event(gmailtest.Event{})); a.Status != 503 || mail.ClassOf(a.Err) != mail.Setup {
		t.Errorf("answer = %+v", a)
	}
	// Keys are not read over a connection that anybody could change.
	site := httptest.NewServer(nil)
	defer site.Close()
	site.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(rw, `{"issuer":%q,"jwks_uri":"http://accounts.example/certs"}`, site.URL+"/")
	})
	w = assemble(t, &gmailtest.Listening{Server: l.Server, URL: site.URL}, &http.Transport{})
	if a := w.r.Receive(t.Context(), kind, w.event(gmailtest.Event{})); a.Status != 503 || mail.ClassOf(a.Err) != mail.Setup {
		t.Errorf("keys in the clear: answer = %+v", a)
	}
}

// The truth of the double's other door: events made and sent by its control
// address, as a test from outside does it.
func TestControlAddressSendsEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.l.RefreshToken(user)
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rw.WriteHeader(w.r.Receive(r.Context(), r.Header.Get("Content-Type"), body).Status)
	}))
	defer site.Close()
	resp, err := http.Post(w.l.URL+"/_double/event", "application/json", strings.NewReader(fmt.Sprintf(`{"receiver":%q,"type":"token-revoked","email":%q,"jti":"c"}`, site.URL, user)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if string(b) != `{"body":"","status":202}` {
		t.Errorf("answer = %s", b)
	}
	if e := w.b.taken["c"]; len(e) != 1 || !e[0].Matches(vault.NewSecret(token)) {
		t.Errorf("taken = %+v", e)
	}
}
