package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

// TestEveryRouteAnswersAsWritten drives every operation of the document of the
// real program with a token, from a browser and as nobody: status, content
// type, fields and the codes of problems. One that no line reaches fails.
func TestEveryRouteAnswersAsWritten(t *testing.T) {
	t.Parallel()
	pop := popWith(t, nil)
	s := open(t, gmailtest.Options{})
	s.installation.at("pop3s", "ann", password, pop.port, pop.ca)
	s.env["SMTPSYNC_GMAIL_CONCURRENCY_PER_USER"] = "1" // so that each message meets the fault that is meant for it
	s.start()
	c := &contract{t: t, s: s, mux: http.NewServeMux(), known: map[string]string{"port": strconv.Itoa(pop.port), "password": password},
		ops: map[string]operation{}, seen: map[string][]int{}}
	c.learnDocument()
	v := visit(t, s)
	v.client.Transport = c
	v.signIn(user)
	v.grant(user, gmailtest.ScopeInsert)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.clients = map[string]*http.Client{"program": {Transport: c, CheckRedirect: stay, Timeout: time.Minute}, "nobody": {Transport: c, CheckRedirect: stay, Timeout: time.Minute},
		"browser": {Transport: c, CheckRedirect: stay, Timeout: time.Minute, Jar: v.client.Jar}}
	made := v.want(201, "POST", "/tokens", map[string]any{"name": "curl", "scopes": []string{"mailboxes:read", "mailboxes:write", "audit:read", "rules:write", "account:write"}})
	c.known["bearer"] = made["token"].(string)
	made = v.want(201, "POST", "/tokens", map[string]any{"name": "little", "scopes": []string{"rules:write"}})
	c.known["little"] = made["token"].(string)
	made = v.want(201, "POST", "/tokens", map[string]any{"name": "less", "scopes": []string{"audit:read"}})
	c.known["less"] = made["token"].(string)

	c.drive(accountLines)
	if status, err := s.gmail.SendEvent(t.Context(), c.clients["nobody"], "http://"+s.pages+"/webhooks/google/risc",
		gmailtest.Event{Type: "verification", Issuer: s.gmail.URL + "/", Extra: map[string]any{"state": "x"}}); err != nil || status != http.StatusAccepted {
		t.Errorf("a security event: %d %v", status, err)
	}
	c.drive(mailboxLines)
	// Mail comes now: a pause in the middle of it would take a fault for itself.
	for range 2 {
		s.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.ReadThenAnswer, Status: 400, Body: `{"error":{"code":400,"message":"Invalid attachment."}}`})
	}
	s.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.CommitThenDrop, Last: true})
	s.gmail.Next(gmailtest.Fault{At: gmailtest.Query, Kind: gmailtest.Expire})
	for _, raw := range append(three(), testkit.Message(4)) {
		pop.drop.Add(raw)
	}
	c.drive([]line{{"program", "POST /api/v1/mailboxes/{box}/sync", 202, "json", mailboxFields, "", "", ""}})
	for status, n := range map[string]int{"refused": 2, "doubtful": 1, "imported": 1} {
		s.until(strconv.Itoa(n)+" "+status, time.Minute, func() bool {
			entries := v.want(200, "GET", "/audit?status="+status, nil)["entries"].([]any)
			if status == "imported" && len(entries) > 0 {
				c.known["domain"] = entries[0].(map[string]any)["sender_domain"].(string)
			}
			return len(entries) == n
		})
	}
	c.drive([]line{{"program", "POST /api/v1/mailboxes/{box}/pause", 200, "json", "id", "", "", ""}}) // what was decided stays to be seen
	c.drive(auditLines)
	module, _ := shipped.Named("skip-domains")
	c.known["module"] = string(module.Wasm)
	c.drive(ruleLines)
	c.pages()
	c.refusals()
	c.drive(afterLines)
	c.drive(lastLines)
	v.signIn(user)
	c.drive([]line{{"browser", "GET /api/v1/session", 200, "json", "csrf", "", "", "csrf=csrf"},
		{"browser", "POST /auth/logout", 303, "", "", "csrf={csrf}", "Content-Type: application/x-www-form-urlencoded", ""}})
	c.complete()
}

// pages opens every page as the person that is signed in.
func (c *contract) pages() {
	c.t.Helper()
	for op, o := range c.ops {
		if method, path, _ := strings.Cut(op, " "); method != http.MethodGet || strings.HasPrefix(path, "/api/v1/") || strings.HasPrefix(path, "/auth/") || strings.Contains(path, "/receipts/") {
			continue
		}
		l := line{who: "browser", ask: strings.NewReplacer("/rules/{id}", "/rules/{rule}", "/rules/new", "/rules/new?plugin=skip-domains", "{id}", "{box}", "{$}", "").Replace(op), status: 200}
		for kind := range o.Responses["200"].Content {
			for short, long := range kinds {
				if name, _, _ := strings.Cut(long, ";"); name == kind {
					l.kind = short
				}
			}
		}
		if strings.HasSuffix(op, "{$}") || strings.Contains(op, "/notices/") { // on to the mailboxes, or the settings
			l.status, l.kind = 303, ""
		}
		c.send(l)
	}
}

// complete fails for an operation that has given none of its answers. Forms of
// pages are for people with a browser: here they have to refuse at least.
func (c *contract) complete() {
	c.t.Helper()
	for _, op := range slices.Sorted(maps.Keys(c.ops)) {
		o, answered := c.ops[op], false
		for _, status := range c.seen[op] {
			_, documented := o.Responses[strconv.Itoa(status)]
			_, token := o.taker("token")
			form := strings.HasPrefix(op, "POST") && !token && !strings.HasPrefix(op, "POST /auth")
			mailed := strings.HasPrefix(op, "POST /notices/") // its token is in mails only
			answered = answered || documented || form && status == http.StatusForbidden || mailed && status == http.StatusNotFound
		}
		if !answered {
			c.t.Errorf("%s has no line here: it answered %v", op, c.seen[op])
		}
	}
	if len(c.ops) < 60 {
		c.t.Errorf("only %d operations", len(c.ops))
	}
}

// refusals are those that every operation owes, as the document says.
func (c *contract) refusals() {
	c.t.Helper()
	for op, o := range c.ops {
		method, path, _ := strings.Cut(op, " ")
		api := strings.HasPrefix(path, "/api/v1/")
		ask := strings.NewReplacer("{id}", "x", "{$}", "").Replace(op)
		scope, token := o.taker("token")
		_, session := o.taker("session")
		kind := "html"
		if api {
			kind = "problem"
		}
		var lines []line
		add := func(who string, status int, says, body, head string) {
			if !api {
				says = "" // pages say it in words
			}
			lines = append(lines, line{who: who, ask: ask, status: status, kind: kind, says: says, body: body, head: head})
		}
		if session {
			add("nobody", 401, "sign_in_required", "", "")
			if method != http.MethodGet {
				add("browser", 403, "csrf_required", "", "")
				add("browser", 403, "bad_origin", "", "X-CSRF-Token: "+c.known["csrf"]+"; Origin: https://evil.example")
			}
		}
		if token {
			add("nobody", 401, "token_invalid", "", "Authorization: Bearer smtps_guess")
		}
		if scope != "" {
			other := c.known["little"]
			if scope == "rules:write" {
				other = c.known["less"]
			}
			kind := "Content-Type: application/json"
			if o.takes("application/wasm") {
				kind = "Content-Type: application/wasm"
			}
			add("nobody", 403, "scope_missing", "", "Authorization: Bearer "+other+"; "+kind)
		}
		if token && o.takes("application/json") {
			add("program", 415, "json_required", "x=1", "Content-Type: text/plain")
			add("program", 400, "bad_json", `{"name":`, "")
			add("program", 400, "duplicate_field name", `{"name":"a","name":"b"}`, "")
			add("program", 422, "unknown_field no_such", `{"no_such":1}`, "")
		}
		if token && o.Body == nil && strings.Contains(op, "{id}") {
			add("program", 404, "not_found", "", "")
		}
		c.drive(lines)
		if api && !strings.HasSuffix(op, "/session") {
			c.drive([]line{{who: "program", ask: ask + "?no_such=1", status: 400, kind: kind, says: "unknown_parameter no_such"}})
		}
	}
}
