package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/servertest"
)

var update = flag.Bool("update", false, "write openapi.json anew")

const golden = "openapi.json"

func TestTheDocumentIsTheOneInTheRepository(t *testing.T) {
	t.Parallel()
	got := newWorld(t).svc.Document()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the table says: go generate ./server", golden)
	}
}

func init() {
	text := func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		b, err := io.ReadAll(body)
		return string(b), err
	}
	for _, kind := range []string{"text/html", "text/csv", "application/jsonl", "text/event-stream", "application/wasm"} {
		openapi3filter.RegisterBodyDecoder(kind, text)
	}
}

// world is the service in its world; every answer is held against the document.
type world struct {
	*servertest.World
	svc    *server.Service
	router routers.Router
}

func newWorld(t testing.TB, change ...func(*server.Options)) *world {
	t.Helper()
	w := &world{World: servertest.New()}
	o := w.Options()
	for _, f := range change {
		f(&o)
	}
	var err error
	if w.svc, err = server.NewService(o); err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(w.svc.Document())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.router, err = gorillamux.NewRouter(doc); err != nil {
		t.Fatal(err)
	}
	return w
}

// as is who sends a request.
type as struct {
	token  string
	cookie vault.Secret
}

// field is one header field.
type field struct{ name, value string }

type answered struct {
	*http.Response
	body []byte
}

// problem reads the problem document.
func (a answered) problem(t *testing.T) api.Problem {
	t.Helper()
	if kind := a.Header.Get("Content-Type"); kind != "application/problem+json" {
		t.Fatalf("status %d, %s, want a problem: %.300s", a.StatusCode, kind, a.body)
	}
	return read[api.Problem](t, a)
}

func read[T any](t *testing.T, a answered) (v T) {
	t.Helper()
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v: %.300s", err, a.body)
	}
	return v
}

// do sends a request as a well-behaved client would: a person in a browser with
// his CSRF token, a program with its own.
func (w *world) do(t *testing.T, who as, method, path, body string, fields ...field) answered {
	t.Helper()
	r := httptest.NewRequest(method, "https://mail.example.org"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if who.token != "" {
		r.Header.Set("Authorization", "Bearer "+who.token)
	}
	if !who.cookie.Empty() {
		r.AddCookie(&http.Cookie{Name: "__Host-session", Value: who.cookie.RevealString()})
		r.Header.Set("X-CSRF-Token", session.CSRF(who.cookie))
	}
	for _, f := range fields {
		if f.value == "" {
			r.Header.Del(f.name)
		} else {
			r.Header.Set(f.name, f.value)
		}
	}
	return w.send(t, r, body)
}

func (w *world) send(t *testing.T, r *http.Request, body string) answered {
	t.Helper()
	a := w.raw(t, r)
	route, params, err := w.router.FindRoute(r)
	if err != nil { // not in the document
		return a
	}
	r.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if a.StatusCode < 400 {
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s %s was accepted and is not in the document: %v", r.Method, r.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.StatusCode, Header: a.Header, Options: in.Options}
	out.SetBodyBytes(a.body)
	if r.Method != http.MethodHead && !page(a) {
		if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
			t.Errorf("%s %s: the answer %d is not in the document: %v", r.Method, r.URL.Path, a.StatusCode, err)
		}
	}
	return a
}

// page: the pages of errors are not in the document.
func page(a answered) bool {
	return a.StatusCode >= 400 && strings.HasPrefix(a.Header.Get("Content-Type"), "text/html")
}

func (w *world) raw(t *testing.T, r *http.Request) answered {
	t.Helper()
	res, err := w.svc.Test(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s %s: headers %v", r.Method, r.URL.Path, res.Header)
	}
	return answered{res, b}
}

// person makes a user with a cookie and a token of all scopes.
func (w *world) person(t *testing.T, sub string) (user id.User, browser, program as) {
	t.Helper()
	user = w.User(t, sub)
	return user, as{cookie: w.Cookie(t, user)}, as{token: w.Token(t, user)}
}

func want(t *testing.T, a answered, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %.500s", a.StatusCode, status, a.body)
	}
}

func wantProblem(t *testing.T, a answered, status int, code, in string) {
	t.Helper()
	want(t, a, status)
	p := a.problem(t)
	got := ""
	if len(p.Errors) > 0 {
		got = p.Errors[0].Field
	}
	if p.Code != code || got != in || p.Status != status || p.RequestID == "" || p.Detail == "" {
		t.Errorf("got %+v, want %s of %q", p, code, in)
	}
}
