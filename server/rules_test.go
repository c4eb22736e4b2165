package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
)

const skipShop = `{"name":"No shop","plugin":"skip-domains","config":{"domains":["shop.example"]}}`

// module gives one that may be uploaded: it does what the shipped one does.
func module(t *testing.T, name string) []byte {
	t.Helper()
	r, found := shipped.Named(name)
	if !found {
		t.Fatalf("there is no %s", name)
	}
	return r.Wasm
}

// upload sends a module as a program does.
func (w *world) upload(t *testing.T, who as, wasm []byte, fields ...field) answered {
	t.Helper()
	return w.do(t, who, "POST", "/api/v1/plugins", string(wasm), append([]field{{"Content-Type", "application/wasm"}}, fields...)...)
}

func TestTheShippedRulesAreListedAndTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	a := w.do(t, program, "GET", "/api/v1/plugins", "")
	want(t, a, 200)
	all := read[api.Plugins](t, a).Plugins
	named := map[string]api.Plugin{}
	for _, p := range all {
		named[p.Name] = p
	}
	for _, r := range shipped.All() {
		if p := named[r.Name]; p.ID != r.Name || !p.Shipped || p.Manifest.Title["en"] == "" || p.Size != int64(len(r.Wasm)) {
			t.Errorf("%s: %+v", r.Name, p)
		}
	}
	try := func(plugin, body string) api.Tried {
		t.Helper()
		a := w.do(t, program, "POST", "/api/v1/plugins/"+plugin+"/try", body)
		want(t, a, 200)
		return read[api.Tried](t, a)
	}
	const mail = `"header":"From: Shop <a@news.shop.example>\r\nList-Id: Deals <deals.shop.example>\r\n"`
	got := try("skip-domains", `{"config":{"domains":["shop.example"]},`+mail+`,"size":1000}`)
	if got.Verdict != "skip" || got.Reason == "" || got.Code != 1 || got.Fuel <= 0 {
		t.Errorf("skip-domains: %+v", got)
	}
	if got := try("skip-domains", `{"config":{"domains":["other.example"]},`+mail+`}`); got.Verdict != "keep" || got.Reason != "" {
		t.Errorf("another domain: %+v", got)
	}
	if got := try("label-by-list-id", `{"config":{},`+mail+`}`); got.Verdict != "keep" || fmt.Sprint(got.Labels) != "[deals.shop.example]" {
		t.Errorf("label-by-list-id: %+v", got)
	}
	if got := try("label-by-list-id", `{"header":"From: a@b.example\nList-Id: <x.example>\n"}`); fmt.Sprint(got.Labels) != "[x.example]" {
		t.Errorf("lines that end as on Unix, no settings: %+v", got)
	}
	wantProblem(t, w.do(t, program, "POST", "/api/v1/plugins/skip-domains/try", `{"config":{"domains":"x"},`+mail+`}`), 422, "config_invalid", "config.domains")
	wantProblem(t, w.do(t, program, "POST", "/api/v1/plugins/skip-domains/try", `{"config":{},"header":""}`), 422, "header_required", "header")
	wantProblem(t, w.do(t, program, "POST", "/api/v1/plugins/skip-domains/try", `{"config":{"domains":["a.example"]},"header":"`+strings.Repeat("x", 300<<10)+`"}`), 422, "header_too_large", "")
	wantProblem(t, w.do(t, program, "DELETE", "/api/v1/plugins/skip-domains", ""), 409, "plugin_shipped", "")
}

func TestAModuleIsUploadedUsedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	_, _, stranger := w.person(t, "stranger")
	wasm := module(t, "skip-domains")
	a := w.upload(t, program, wasm, field{"Idempotency-Key", "1"})
	want(t, a, 201)
	made := read[api.PluginMade](t, a)
	if made.ID != rules.Sum(wasm).String() || made.Shipped || made.Manifest.Name != "skip-domains" || made.Report.Octets != int64(len(wasm)) || made.Report.Functions == 0 || len(made.Report.Exports) == 0 {
		t.Errorf("made %+v", made)
	}
	again := w.upload(t, program, wasm, field{"Idempotency-Key", "1"})
	want(t, again, 201)
	if !bytes.Equal(again.body, a.body) {
		t.Errorf("a replay: %s, want %s", again.body, a.body)
	}
	want(t, w.upload(t, program, wasm), 201) // the same module is the same plugin
	if got := read[api.Plugins](t, w.do(t, program, "GET", "/api/v1/plugins", "")).Plugins; len(got) != len(shipped.All())+1 {
		t.Errorf("there are %d plugins", len(got))
	}
	one := "/api/v1/plugins/" + made.ID
	if a := w.do(t, program, "GET", one+"/module", ""); !bytes.Equal(a.body, wasm) || a.Header.Get("Content-Type") != "application/wasm" {
		t.Errorf("the module: %d octets, %s", len(a.body), a.Header.Get("Content-Type"))
	}
	for _, path := range []string{one + "/module"} {
		wantProblem(t, w.do(t, stranger, "GET", path, ""), 404, "not_found", "")
	}
	wantProblem(t, w.do(t, stranger, "DELETE", one, ""), 404, "not_found", "")
	wantProblem(t, w.do(t, stranger, "POST", one+"/try", `{"header":"From: a@b.example"}`), 404, "not_found", "")
	wantProblem(t, w.do(t, stranger, "POST", "/api/v1/rules", strings.Replace(skipShop, "skip-domains", made.ID, 1)), 422, "plugin_unknown", "plugin")

	a = w.do(t, program, "POST", "/api/v1/rules", strings.Replace(skipShop, "skip-domains", made.ID, 1))
	want(t, a, 201)
	wantProblem(t, w.do(t, program, "DELETE", one, ""), 409, "plugin_in_use", "")
	want(t, w.do(t, program, "DELETE", "/api/v1/rules/"+read[api.Rule](t, a).ID, ""), 204)
	want(t, w.do(t, program, "DELETE", one, ""), 204)
	wantProblem(t, w.do(t, program, "DELETE", one, ""), 404, "not_found", "")
}

func TestTheGateSaysWhatIsWrongWhereAndWhatHelps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	good := module(t, "skip-domains")
	for name, c := range map[string]struct {
		wasm  []byte
		code  string
		place string
	}{
		"a text":         {[]byte("no module"), "not_wasm", "module"},
		"nothing":        {nil, "not_wasm", "module"},
		"cut off":        {good[:len(good)/2], "malformed", ""},
		"a huge count":   {append([]byte("\x00asm\x01\x00\x00\x00"), 6, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0), "malformed", ""},
		"without an ABI": {[]byte("\x00asm\x01\x00\x00\x00"), "missing_abi", ""},
		"4 MiB and more": {append(bytes.Clone(good), make([]byte, 4<<20)...), "too_large", ""},
	} {
		a := w.upload(t, program, c.wasm)
		p := a.problem(t)
		if a.StatusCode != 422 || len(p.Errors) == 0 || p.Errors[0].Help == "" || p.Errors[0].Field == "" || p.Errors[0].Detail == "" {
			t.Errorf("%s: %d %+v", name, a.StatusCode, p)
		}
		if p.Code != c.code && name != "a huge count" || c.place != "" && p.Errors[0].Field != c.place {
			t.Errorf("%s: %s at %s, want %s", name, p.Code, p.Errors[0].Field, c.code)
		}
	}
	broken := bytes.Replace(good, []byte(`"version": "1.0.0"`), []byte(`"version": "1.0.x"`), 1)
	if bytes.Equal(broken, good) {
		broken = bytes.Replace(good, []byte(`"version":"1.0.0"`), []byte(`"version":"1.0.x"`), 1)
	}
	wantProblem(t, w.upload(t, program, broken), 422, "manifest_invalid", "version")
	wantProblem(t, w.do(t, program, "POST", "/api/v1/plugins", `{}`), 415, "wasm_required", "")
	if got := read[api.Plugins](t, w.do(t, program, "GET", "/api/v1/plugins", "")).Plugins; len(got) != len(shipped.All()) {
		t.Errorf("something that was refused is kept: %d", len(got))
	}
}

func TestAModuleOf10MBIsTooLargeAndOtherBodiesStaySmall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	address := serve(t, w)
	send := func(path string, octets int) answered {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", address+path, bytes.NewReader(make([]byte, octets)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/wasm")
		return large(t, signed(r, program))
	}
	wantProblem(t, send("/api/v1/plugins", 10<<20), 413, "body_too_large", "")
	wantProblem(t, send("/api/v1/plugins?x", 10<<20), 413, "body_too_large", "")
	wantProblem(t, send("/api/v1/plugins", 3<<20), 422, "not_wasm", "module")
	for _, path := range []string{"/api/v1/rules", "/api/v1/plugins/", "/api/v1/plugins/skip-domains/try", "/rules"} {
		wantProblem(t, send(path, 2<<20), 413, "body_too_large", "")
	}
}

func TestAServiceThatTakesNoModulesSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.Rules = rulebook.New(&rules.Memory{}, nil, false) })
	_, _, program := w.person(t, "owner")
	p := w.upload(t, program, module(t, "skip-domains")).problem(t)
	if p.Status != 422 || p.Code != "plugin_uploads_off" || p.Help == "" {
		t.Errorf("got %+v", p)
	}
	want(t, w.do(t, program, "POST", "/api/v1/rules", skipShop), 201) // what is shipped runs
}

func TestRulesAreMadeChangedMovedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	a := w.do(t, program, "POST", "/api/v1/rules", skipShop, field{"Idempotency-Key", "1"})
	want(t, a, 201)
	first := read[api.Rule](t, a)
	if first.Position != 1 || !first.Enabled || first.Mailboxes != nil || string(first.Config.RawMessage) != `{"domains":["shop.example"]}` || a.Header.Get("ETag") == "" ||
		!strings.HasSuffix(a.Header.Get("Location"), "/api/v1/rules/"+first.ID) {
		t.Errorf("made %+v, %v", first, a.Header)
	}
	if b := w.do(t, program, "POST", "/api/v1/rules", skipShop, field{"Idempotency-Key", "1"}); !bytes.Equal(a.body, b.body) || b.StatusCode != 201 {
		t.Errorf("a replay: %d %s", b.StatusCode, b.body)
	}
	body := fmt.Sprintf(`{"name":"Lists","plugin":"label-by-list-id","config":{},"mailboxes":[%q],"enabled":false,"position":1}`, box.ID)
	a = w.do(t, program, "POST", "/api/v1/rules", body)
	want(t, a, 201)
	second := read[api.Rule](t, a)
	order := func() (names []string) {
		t.Helper()
		a := w.do(t, program, "GET", "/api/v1/rules", "")
		want(t, a, 200)
		for i, r := range read[api.Rules](t, a).Rules {
			if r.Position != i+1 {
				t.Errorf("%s is %d, want %d", r.Name, r.Position, i+1)
			}
			names = append(names, r.Name)
		}
		return names
	}
	if got := order(); fmt.Sprint(got) != "[Lists No shop]" || second.Enabled || len(second.Mailboxes) != 1 {
		t.Errorf("%v, %+v", got, second)
	}
	one := "/api/v1/rules/" + first.ID
	tag := w.do(t, program, "GET", one, "").Header.Get("ETag")
	moved := strings.Replace(skipShop, "}}", `},"position":1}`, 1)
	a = w.do(t, program, "PUT", one, moved, field{"If-Match", tag})
	want(t, a, 200)
	if got := order(); fmt.Sprint(got) != "[No shop Lists]" {
		t.Errorf("moved: %v", got)
	}
	wantProblem(t, w.do(t, program, "PUT", one, moved, field{"If-Match", tag}), 412, "changed_meanwhile", "")
	wantProblem(t, w.do(t, program, "DELETE", one, "", field{"If-Match", tag}), 412, "changed_meanwhile", "")
	want(t, w.do(t, program, "DELETE", one, "", field{"If-Match", a.Header.Get("ETag")}), 204)
	if got := order(); fmt.Sprint(got) != "[Lists]" {
		t.Errorf("deleted: %v", got)
	}
	wantProblem(t, w.do(t, program, "GET", one, ""), 404, "not_found", "")
}

func TestWhatIsWrongWithARuleIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	_, _, other := w.person(t, "other")
	foreign := w.Mailbox(t, w.User(t, "third"), "another's").ID.String()
	for body, at := range map[string][2]string{
		`{"name":"","plugin":"skip-domains"}`:                                                                      {"name_required", "name"},
		`{"name":"n","plugin":""}`:                                                                                 {"plugin_required", "plugin"},
		`{"name":"n","plugin":"nothing"}`:                                                                          {"plugin_unknown", "plugin"},
		`{"name":"n","plugin":"skip-domains"}`:                                                                     {"config_invalid", "config.domains"},
		`{"name":"n","plugin":"skip-domains","config":[]}`:                                                         {"config_invalid", "config"},
		`{"name":"n","plugin":"skip-domains","config":{"domains":["not a domain"]}}`:                               {"config_invalid", "config.domains.0"},
		`{"name":"n","plugin":"label-by-list-id","config":{"nothing":1}}`:                                          {"config_invalid", `config."nothing"`},
		`{"name":"n","plugin":"subject-regex","config":{"pattern":"((a{100}){100}){100}"}}`:                        {"config_invalid", ""},
		`{"name":"n","plugin":"label-by-list-id","mailboxes":["x"]}`:                                               {"mailbox_unknown", "mailboxes[0]"},
		`{"name":"n","plugin":"label-by-list-id","mailboxes":["` + foreign + `"]}`:                                 {"mailbox_unknown", "mailboxes[0]"},
		`{"name":"n","plugin":"label-by-list-id","position":0}`:                                                    {"position_range", "position"},
		`{"name":"` + strings.Repeat("n", 101) + `","plugin":"label-by-list-id"}`:                                  {"too_long", "name"},
		`{"name":"n","plugin":"label-by-list-id","unknown":1}`:                                                     {"unknown_field", "unknown"},
		`{"name":"n","plugin":"skip-domains","config":{"domains":["a.example"]},"mailboxes":null,"enabled":"yes"}`: {"wrong_type", "enabled"},
	} {
		p := w.do(t, program, "POST", "/api/v1/rules", body).problem(t)
		if p.Status != 422 || p.Code != at[0] || len(p.Errors) == 0 || at[1] != "" && p.Errors[0].Field != at[1] {
			t.Errorf("%s: %+v", body, p)
		}
	}
	for range rules.Max {
		want(t, w.do(t, program, "POST", "/api/v1/rules", skipShop), 201)
	}
	wantProblem(t, w.do(t, program, "POST", "/api/v1/rules", skipShop), 409, "too_many_rules", "")
	mine := read[api.Rules](t, w.do(t, program, "GET", "/api/v1/rules?limit=3", ""))
	if len(mine.Rules) != 3 || mine.NextCursor == "" {
		t.Errorf("a page: %+v", mine)
	}
	for _, method := range []string{"GET", "DELETE"} {
		wantProblem(t, w.do(t, other, method, "/api/v1/rules/"+mine.Rules[0].ID, ""), 404, "not_found", "")
	}
	wantProblem(t, w.do(t, other, "PUT", "/api/v1/rules/"+mine.Rules[0].ID, skipShop), 404, "not_found", "")
	wantProblem(t, w.do(t, program, "PUT", "/api/v1/rules/"+id.New[id.Rule]().String(), skipShop), 404, "not_found", "")
	if b, _ := json.Marshal(mine.Rules[0].Mailboxes); string(b) != "null" {
		t.Errorf("all mailboxes are %s", b)
	}
}
