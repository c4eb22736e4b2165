package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// markups are texts that would be more than text on a page that lets them.
var markups = []string{
	`<img src=x onerror=window.pwned=1>`, `"><svg onload=window.pwned=1>`, `'onfocus='window.pwned=1' autofocus x='`,
	`</title><script>window.pwned=1</script>`, `</textarea><iframe srcdoc=x>`, `javascript:window.pwned=1`, `{{.CSRF}}<b id=pwned>`,
}

// from is a mail whose sender is one of those.
func from(n int, text string) []byte {
	return fmt.Appendf(nil, "From: \"%[2]s\" <a@%[2]s>\r\nMessage-ID: <%[1]d@%[2]s>\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\nSubject: %[2]s\r\n\r\n%[2]s\r\n", n, text)
}

// TestTextsOfOthersStayTextInARealBrowser: sender domains, and names of
// mailboxes and tokens, on every page that shows them and in what comes live.
// That a page's policy had to stop something is a mishap too (person.listen).
func TestTextsOfOthersStayTextInARealBrowser(t *testing.T) {
	t.Parallel()
	sharedChromium(t)
	var mails [][]byte
	for i, text := range markups {
		mails = append(mails, from(i, text), fmt.Appendf(nil, "From: a@b%d.example\r\nSubject: %s\r\n\r\nx\r\n", i, text))
	}
	pop := popWith(t, nil)
	s := open(t, gmailtest.Options{})
	s.installation.at("pop3s", "ann", password, pop.port, pop.ca)
	for i := range markups {
		pop.drop = pop3d.NewMemory(mails...)
		pop.AddUser(fmt.Sprint("ann", i), password, pop.drop)
	}
	s.start()
	w := &walk{person: sit(t, "http://"+s.pages, true), s: s, email: user}
	w.signsIn()
	v := visit(t, s)
	v.signIn(user)
	v.grant(user, gmailtest.ScopeInsert)
	var pages []string
	for i, text := range markups {
		made := v.want(201, "POST", "/mailboxes", map[string]any{"name": text, "protocol": "pop3", "host": "127.0.0.1", "port": pop.port, "security": "tls",
			"username": fmt.Sprint("ann", i), "password": password, "history": "all", "after_import": "leave"})
		v.want(201, "POST", "/tokens", map[string]any{"name": text, "scopes": []string{"audit:read"}})
		v.want(201, "POST", "/rules", map[string]any{"name": text, "plugin": "subject-regex", "config": map[string]any{"pattern": "^never$", "action": "star"}, "mailboxes": []string{made["id"].(string)}})
		box := "/mailboxes/" + made["id"].(string)
		pages = append(pages, box, box+"/edit", box+"/delete", "/why?date=2026-01-05&mailbox="+made["id"].(string))
	}
	s.until("every mailbox was read", 30*time.Second, func() bool {
		totals := v.want(200, "GET", "/stats", nil)
		return at(totals, "totals", "imported", "messages").(float64)+at(totals, "totals", "refused").(float64) >= float64(len(markups)*len(mails))
	})
	harmless := func(where string) {
		t.Helper()
		w.until("there is nothing but text at "+where, `window.pwned === undefined && !document.querySelector(
			"#pwned, iframe, img, main script, [onload], [onerror], [onfocus], [onmouseover], a[href^='javascript:']")`)
	}
	for _, path := range append(pages, "/mailboxes", "/audit", "/rules", "/settings", "/lens") {
		w.open(path)
		harmless(path)
		if path == "/mailboxes" {
			w.sees(markups...)
		}
	}
	w.open("/audit")
	w.until("the page listens", `document.querySelector("[data-live]") !== null`)
	pop.drop.Add(from(99, markups[0]))
	pop.drop.Add([]byte("From: a@live.example\r\nSubject: x\r\n\r\nx\r\n"))
	w.sees("live.example") // without being loaded again
	harmless("/audit, live")
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}
