package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// operation is a route as the document has it.
type operation struct {
	Security []map[string][]string `json:"security"`
	Body     *struct {
		Content map[string]any `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]any `json:"content"`
	} `json:"responses"`
}

// taker reports whether it takes a kind of credential ("token", "session"), and
// which scope that needs.
func (o operation) taker(kind string) (scope string, takes bool) {
	for _, s := range o.Security {
		if scopes, ok := s[kind]; ok {
			return strings.Join(scopes, ""), true
		}
	}
	return "", false
}

// takes reports whether it wants a body of a kind.
func (o operation) takes(kind string) bool {
	return o.Body != nil && o.Body.Content[kind] != nil
}

// contract drives a service and remembers what each operation has answered.
type contract struct {
	t       *testing.T
	s       *service
	known   map[string]string
	clients map[string]*http.Client
	ops     map[string]operation // by method and path
	mux     *http.ServeMux       // finds the operation of a request
	seen    map[string][]int     // statuses by operation
}

// RoundTrip notes the answers, those on the way through a sign-in too.
func (c *contract) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.URL.Host == c.s.pages {
		_, op := c.mux.Handler(r)
		c.seen[op] = append(c.seen[op], res.StatusCode)
	}
	return res, err
}

// learnDocument reads what there is.
func (c *contract) learnDocument() {
	c.t.Helper()
	res, err := http.Get("http://" + c.s.pages + "/api/v1/openapi.json")
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		c.t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			if path == "/" {
				path = "/{$}"
			}
			op := strings.ToUpper(method) + " " + path
			c.ops[op] = o
			c.mux.HandleFunc(op, func(http.ResponseWriter, *http.Request) {})
		}
	}
}

func (c *contract) fill(text string) string {
	for name, v := range c.known {
		text = strings.ReplaceAll(text, "{"+name+"}", v)
	}
	return text
}

var kinds = map[string]string{"json": "application/json", "problem": "application/problem+json", "html": "text/html; charset=utf-8", "csv": "text/csv",
	"jsonl": "application/jsonl", "text": "text/plain; charset=utf-8", "events": "text/event-stream", "wasm": "application/wasm", "": ""}

// drive sends the lines and holds the answers against them.
func (c *contract) drive(lines []line) {
	c.t.Helper()
	for _, l := range lines {
		p := c.send(l)
		switch {
		case l.kind == "problem":
			c.problem(l, p)
		case l.says != "" || l.learn != "":
			c.fields(l, p)
		}
	}
}

func (c *contract) send(l line) page {
	c.t.Helper()
	method, path, _ := strings.Cut(c.fill(l.ask), " ")
	body := c.fill(l.body)
	v := visitor{t: c.t, client: c.clients[l.who]}
	r := v.request(method, "http://"+c.s.pages+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if l.who == "program" {
		r.Header.Set("Authorization", "Bearer "+c.known["bearer"])
	}
	for f := range strings.SplitSeq(c.fill(l.head), "; ") {
		if name, value, ok := strings.Cut(f, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	var p page
	if l.kind == "events" {
		p = first(v, r)
	} else {
		p = v.do(r)
	}
	got := p.Header.Get("Content-Type")
	if p.StatusCode != l.status || got != kinds[l.kind] {
		c.t.Errorf("%s %s: %d %q, want %d %q\n%.300s", l.who, l.ask, p.StatusCode, got, l.status, kinds[l.kind], p.text)
	}
	if p.Header.Get("X-Content-Type-Options") != "nosniff" || p.Header.Get("X-Request-Id") == "" || strings.Contains(p.text, password) {
		c.t.Errorf("%s %s: fields %v\n%.300s", l.who, l.ask, p.Header, p.text)
	}
	return p
}

// first reads the beginning of an answer that does not end.
func first(v visitor, r *http.Request) page {
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || !strings.HasPrefix(text, "id: ") && !strings.HasPrefix(text, "retry: ") {
		v.t.Errorf("%s: %q, %v", r.URL.Path, text, err)
	}
	return page{res, text}
}

func (c *contract) problem(l line, p page) {
	c.t.Helper()
	var got struct {
		Type, Title, Code, Detail string
		Status                    int
		Errors                    []struct{ Field, Code, Detail string }
	}
	code, field, _ := strings.Cut(l.says, " ")
	err := json.Unmarshal([]byte(p.text), &got)
	named := ""
	if len(got.Errors) > 0 {
		named = got.Errors[0].Field
	}
	if err != nil || got.Code != code || named != field || got.Errors == nil || got.Status != l.status || got.Type == "" || got.Title == "" || got.Detail == "" {
		c.t.Errorf("%s %s: %v %s, want %s", l.who, l.ask, err, p.text, l.says)
	}
}

func (c *contract) fields(l line, p page) {
	c.t.Helper()
	var got any
	if err := json.Unmarshal([]byte(p.text), &got); err != nil {
		c.t.Errorf("%s %s: %v", l.who, l.ask, err)
		return
	}
	for f := range strings.FieldsSeq(l.says) {
		if dig(got, f) == nil {
			c.t.Errorf("%s %s: no %s in %.500s", l.who, l.ask, f, p.text)
		}
	}
	if name, from, ok := strings.Cut(l.learn, "="); ok {
		v, _ := dig(got, from).(string)
		if v == "" {
			v = p.Header.Get(from)
		}
		if c.known[name] = v; v == "" {
			c.t.Fatalf("%s %s: no %s in %v %.500s", l.who, l.ask, from, p.Header, p.text)
		}
	}
}

// dig gives what is in an answer under a name like entries.0.id.
func dig(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}
