package e2e

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// TestAStrangerUsesTheWholeService from signing in to deleting the account,
// with the real program, a real Dovecot and nothing started twice.
func TestAStrangerUsesTheWholeService(t *testing.T) {
	t.Parallel()
	d := serve(t, "ann", mixed(12)...)
	defer d.Stop()
	s := open(t, gmailtest.Options{})
	pop := history{"pop3s", "leave"}
	m := s.at(d, pop, "ann")
	s.start()
	v := visit(t, s)

	// Who is not signed in sees where to.
	if p := v.get("/"); p.StatusCode != http.StatusOK || !strings.Contains(p.text, "/auth/google/login") {
		t.Fatalf("the start page: %d\n%s", p.StatusCode, p.text)
	}
	v.want(401, "GET", "/me", nil)

	// Two consents.
	if p := v.signIn(user); p.StatusCode != http.StatusOK || !strings.HasPrefix(p.Request.URL.String(), v.site+"/") {
		t.Fatalf("after signing in: %d at %s\n%s", p.StatusCode, p.Request.URL, p.text)
	}
	if me := v.want(200, "GET", "/me", nil); me["email"] != user || at(me, "grant", "status") != "none" {
		t.Fatalf("me: %v", me)
	}
	v.grant(user) // with the box unticked
	if me := v.want(200, "GET", "/me", nil); at(me, "grant", "status") != "incomplete" {
		t.Errorf("a box was left unticked: %v", me)
	}
	v.grant(user, gmailtest.ScopeInsert)
	if me := v.want(200, "GET", "/me", nil); at(me, "grant", "status") != "active" {
		t.Fatalf("access was given: %v", me)
	}

	// Find, try, add.
	if found := v.want(200, "GET", "/discover?address=someone@gmx.net", nil); len(found["list"].([]any)) == 0 {
		t.Error("nothing found for an address of a well-known provider")
	}
	def := map[string]any{"name": "ann's", "protocol": "pop3", "host": m.Host, "port": m.Port, "security": "tls",
		"username": "ann", "password": "not it", "after_import": "leave", "history": "all"}
	tried := v.want(200, "POST", "/mailboxes/test", def)
	steps := tried["steps"].([]any)
	if last := steps[len(steps)-1].(map[string]any); tried["ok"] != false || last["name"] != "login" || last["code"] != "auth_failed" || last["help"] == "" {
		t.Errorf("a wrong password: %v", tried)
	}
	def["password"] = password
	if tried = v.want(200, "POST", "/mailboxes/test", def); tried["ok"] != true || tried["messages"] != 13.0 {
		t.Fatalf("the right password: %v", tried)
	}
	begun := time.Now()
	made := v.want(201, "POST", "/mailboxes", def)
	box := "/mailboxes/" + made["id"].(string)
	s.arrived(13, 20*time.Second)
	t.Logf("from adding the mailbox to its 13th mail: %v", time.Since(begun).Round(time.Millisecond))
	v.want(409, "POST", "/mailboxes", def)
	s.until("the log has them all", 5*time.Second, func() bool {
		return len(v.want(200, "GET", "/audit?status=imported&mailbox="+made["id"].(string), nil)["entries"].([]any)) == 13
	})

	// The same with a token, as curl would. What is paused stays so, at once.
	token := v.want(201, "POST", "/tokens", map[string]any{"name": "cron", "scopes": []string{"mailboxes:write", "audit:read", "account:write"}})
	c := v.script(token["token"].(string))
	if got := c.want(200, "POST", box+"/pause", nil); got["state"] != "paused" {
		t.Errorf("paused: %v", got)
	}
	deliver(t, d, "ann", 7001)
	c.want(409, "POST", box+"/sync", nil)
	time.Sleep(2500 * time.Millisecond) // two polls
	if n := total(s.gmail.Hashes(user)); n != 13 {
		t.Errorf("a paused mailbox has brought mail: %d in Gmail", n)
	}
	c.want(200, "POST", box+"/resume", nil)
	s.arrived(14, 10*time.Second)
	deliver(t, d, "ann", 7002)
	c.want(202, "POST", box+"/sync", nil)
	s.arrived(15, 10*time.Second)
	if stats := c.want(200, "GET", "/stats?window=1h", nil); at(stats, "totals", "imported", "messages") != 15.0 {
		t.Errorf("stats: %v", stats)
	}
	why := c.want(200, "GET", "/why?mailbox="+made["id"].(string)+"&date="+time.Now().UTC().Format(time.DateOnly), nil)
	if len(why["findings"].([]any)) < 4 || !strings.Contains(why["answer"].(string), "in Gmail") {
		t.Errorf("why: %v", why)
	}

	// The owner ends it at Google; then thinks again.
	s.gmail.Revoke(user)
	deliver(t, d, "ann", 7003)
	c.want(202, "POST", box+"/sync", nil)
	s.until("the mailbox says that access is gone", 10*time.Second, func() bool {
		now := c.want(200, "GET", box, nil)
		return now["state"] == "failing" && at(now, "reason", "help") != ""
	})
	if me := v.want(200, "GET", "/me", nil); at(me, "grant", "status") != "revoked" || me["email"] != "" {
		t.Errorf("after the revocation: %v", me)
	}
	v.grant(user, gmailtest.ScopeInsert)
	s.arrived(16, 10*time.Second)
	once(t, s.gmail.Hashes(user), truth(t, d, pop.way(d), "ann"))

	// Everything goes, piece by piece, and is proven.
	gone := v.want(200, "DELETE", box, nil)
	if at(gone, "receipt", "key_destroyed") != true {
		t.Errorf("the receipt of the mailbox: %v", gone)
	}
	v.want(404, "GET", box, nil)
	v.want(404, "DELETE", box, nil)
	gone = v.want(200, "DELETE", "/grant", nil)
	receipt := "/receipts/" + at(gone, "receipt", "id").(string)
	s.until("Google is told", 10*time.Second, func() bool {
		return at(v.want(200, "GET", receipt, nil), "outside", "google_revoke") == "done"
	})
	gone = v.want(200, "DELETE", "/me", nil)
	v.want(401, "GET", "/me", nil)
	c.want(401, "GET", "/mailboxes", nil)
	stranger := visit(t, s)
	last := stranger.want(200, "GET", "/receipts/"+at(gone, "receipt", "id").(string), nil)
	if last["key_destroyed"] != true {
		t.Errorf("the receipt of the account: %v", last)
	}
	if code, took := s.stop(syscall.SIGTERM); code != 0 || took > 5*time.Second {
		t.Errorf("exit %d after %v\n%s", code, took, s.stderr)
	}
	for _, secret := range []string{password, user, c.bearer} {
		if strings.Contains(s.stderr.String(), secret) {
			t.Error("a password, an address or a token in the log")
		}
	}
}

// TestGoogleEndsTheGrantFromOutside: a security event ends sessions and grant,
// and the upload that is under way, within five seconds.
func TestGoogleEndsTheGrantFromOutside(t *testing.T) {
	t.Parallel()
	d := serve(t, "ann", testkit.Message(1))
	defer d.Stop()
	s := open(t, gmailtest.Options{})
	m := s.at(d, history{"imaps", "leave"}, "ann")
	s.start()
	v := visit(t, s)
	v.signIn(user)
	v.grant(user, gmailtest.ScopeInsert)
	made := v.want(201, "POST", "/mailboxes", map[string]any{"name": "ann's", "protocol": "imap", "host": m.Host, "port": m.Port,
		"security": "tls", "username": "ann", "password": password, "after_import": "leave", "history": "all"})
	s.arrived(1, 20*time.Second)
	token := v.want(201, "POST", "/tokens", map[string]any{"name": "t", "scopes": []string{"mailboxes:read"}})
	c := v.script(token["token"].(string))

	// An upload that does not end.
	s.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Delay, DelayMS: 60_000, Times: 1})
	var large bytes.Buffer
	if _, err := copyTo(&large, testkit.Big(20_000_000, 2)); err != nil {
		t.Fatal(err)
	}
	if err := d.Deliver("ann", "", large.Bytes()); err != nil {
		t.Fatal(err)
	}
	s.until("an upload hangs", 10*time.Second, func() bool { return s.gmail.Stats().Requests[gmailtest.Put] > 1 })

	begun := time.Now()
	status, err := s.gmail.SendEvent(t.Context(), http.DefaultClient, v.site+"/webhooks/google/risc",
		gmailtest.Event{Type: "tokens-revoked", Email: user, Issuer: s.gmail.URL + "/"})
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("the event: %d, %v", status, err)
	}
	s.until("everything that came from Google is destroyed", 5*time.Second, func() bool {
		me := c.want(200, "GET", "/me", nil)
		return at(me, "grant", "status") == "revoked" && me["email"] == ""
	})
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	v.want(401, "GET", "/me", nil) // signed out
	s.until("the mailbox says why", 5*time.Second, func() bool {
		return c.want(200, "GET", "/mailboxes/"+made["id"].(string), nil)["state"] == "failing"
	})
	if n := total(s.gmail.Hashes(user)); n != 1 {
		t.Errorf("%d messages in Gmail after the end", n)
	}
	if status, err := s.gmail.SendEvent(t.Context(), http.DefaultClient, v.site+"/webhooks/google/risc",
		gmailtest.Event{Type: "tokens-revoked", Email: user, Issuer: "https://elsewhere.example/"}); err != nil || status != http.StatusBadRequest {
		t.Errorf("a forged event: %d, %v", status, err)
	}
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}

// TestSigningInUnderAnotherNameOfTheMachine: who types localhost is led to the
// address that Google knows, and keeps the cookie.
func TestSigningInUnderAnotherNameOfTheMachine(t *testing.T) {
	t.Parallel()
	s := open(t, gmailtest.Options{})
	s.start()
	v := visit(t, s)
	_, port, _ := strings.Cut(s.pages, ":")
	v.site = "http://localhost:" + port
	if p := v.signIn(user); p.StatusCode != http.StatusOK || p.Request.URL.Host != s.pages {
		t.Errorf("%d at %s", p.StatusCode, p.Request.URL)
	}
	s.stop(syscall.SIGTERM)
}

// TestTheDemoIsTheWholeService: who follows what the terminal says signs in,
// finds sample mail, and adds a mailbox by its address.
func TestTheDemoIsTheWholeService(t *testing.T) {
	t.Parallel()
	s := &service{installation: install(t, gmailtest.Options{}), pages: free(t)}
	s.env = map[string]string{"TMPDIR": t.TempDir(), "PATH": s.env["PATH"], "SMTPSYNC_LISTEN": s.pages}
	s.startAs("demo")
	v := visit(t, s)
	const you, address = "you@gmail.example", "old@post.example"
	if p := v.signIn(you); p.StatusCode != http.StatusOK {
		t.Fatalf("signing in: %d\n%s", p.StatusCode, p.text)
	}
	boxes := v.want(200, "GET", "/mailboxes", nil)["mailboxes"].([]any)
	if me := v.want(200, "GET", "/me", nil); len(boxes) != 2 || at(me, "grant", "status") != "active" {
		t.Fatalf("%d mailboxes, %v", len(boxes), me)
	}
	found := v.want(200, "GET", "/discover?address="+url.QueryEscape(address), nil)["list"].([]any)
	if len(found) != 1 {
		t.Fatalf("discovered: %v", found)
	}
	f := found[0].(map[string]any)
	def := map[string]any{"name": "old", "protocol": f["protocol"], "host": f["host"], "port": f["port"], "security": f["security"],
		"username": f["username"], "password": "demo", "after_import": "leave", "history": "all"}
	if tried := v.want(200, "POST", "/mailboxes/test", def); tried["ok"] != true {
		t.Fatalf("the test: %v", tried)
	}
	made := v.want(201, "POST", "/mailboxes", def)
	count := func(least int) func() bool {
		return func() bool {
			n := at(v.want(200, "GET", "/mailboxes/"+made["id"].(string), nil), "imported", "messages").(float64)
			return int(n) >= least
		}
	}
	s.until("its mail arrives", 20*time.Second, count(8))
	s.until("and keeps arriving", 30*time.Second, count(10))
	if code, _ := s.stop(syscall.SIGINT); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}

// TestServeWithoutAnOAuthClientSaysSo: with a service account it may run without
// one, and who wants to sign in reads which setting is missing.
func TestServeWithoutAnOAuthClientSaysSo(t *testing.T) {
	t.Parallel()
	s := open(t, gmailtest.Options{})
	delete(s.env, "SMTPSYNC_GOOGLE_CLIENT_ID")
	delete(s.env, "SMTPSYNC_GOOGLE_CLIENT_SECRET")
	s.env["SMTPSYNC_GOOGLE_SERVICE_ACCOUNT_FILE"] = s.token
	s.start()
	p := visit(t, s).get("/auth/google/login")
	if p.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(p.text, "SMTPSYNC_GOOGLE_CLIENT_ID") {
		t.Errorf("%d\n%s", p.StatusCode, p.text)
	}
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}
