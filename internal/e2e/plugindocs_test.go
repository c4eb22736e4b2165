package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestTheDocumentationWorks: a newcomer who types what docs/plugins.md shows gets
// what it says, in an empty folder: rules that are uploaded, and that decide
// about mail of the demo. What he has made then decides about other mail, in a
// service whose Gmail can be looked into.
func TestTheDocumentationWorks(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"clang", "wasm-ld", "curl"} {
		_, err := exec.LookPath(tool)
		testkit.Require(t, tool, err == nil, "apt-get install clang lld curl")
	}
	document, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "plugins.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("trap 'kill ${demo-} 2>/dev/null || true' EXIT\n") // where a line fails, too
	for _, block := range shellBlock.FindAllSubmatch(document, -1) {
		script.Write(block[1])
	}
	a := newAuthor(t)
	r := a.want(script.String(), "", 0, "first/1", "invoices/1")
	shown := regexp.MustCompile("(?s)```text\n(.*?)```").FindAllSubmatch(document, -1)
	if len(shown) == 0 {
		t.Error("docs/plugins.md shows no output")
	}
	for _, block := range shown {
		if !strings.Contains(r.stdout, string(block[1])) {
			t.Errorf("nothing printed\n%s\nin\n%s", block[1], r.stdout)
		}
	}
	a.decides(t)
}

// decides uploads what the author has made, in text and in Go, and fails unless
// it decides about mail as it was written to.
func (a *author) decides(t *testing.T) {
	t.Helper()
	const proven = "Authentication-Results: mx.example.net; dmarc=pass"
	pop := popWith(t, nil,
		post(1, "news.example", "Your invoice"),
		post(2, "shop.example", "Your invoice"),
		post(3, "shop.example", "Your invoice", proven),
		post(4, "shop.example", "Your invoice", strings.Replace(proven, "example.net", "evil.example", 1)),
		post(5, "friend.example", "Hello", proven),
	)
	s := open(t, gmailtest.Options{})
	s.installation.at("pop3s", "ann", password, pop.port, pop.ca)
	s.start()
	v := visit(t, s)
	v.signIn(user)
	v.grantLabels(user)
	script := v.tokened("rules:write")
	for name, config := range map[string]map[string]any{
		"first":    {"domains": []string{"news.example"}},
		"invoices": {"label": "Money"},
	} {
		wasm, err := os.ReadFile(filepath.Join(a.dir, name, "rule.plugin.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		script.want(201, "POST", "/rules", map[string]any{"name": name, "plugin": script.upload(wasm), "config": config})
	}
	box := v.mailbox(pop.port, map[string]any{"authserv": []string{"mx.example.net"}})
	s.arrived(4, 20*time.Second)
	v.skipped(box, "first/1")
	want := []string{"INBOX Money STARRED UNREAD", "INBOX Money UNREAD", "INBOX Money UNREAD", "INBOX UNREAD"}
	if got := s.labels(); !slices.Equal(got, want) {
		t.Errorf("labels %q, want %q", got, want)
	}
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}
