package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// What pages are held against, and the SHA-256 of its axe.min.js.
const (
	axeVersion = "4.13.0"
	axeHash    = "c24f097bd2f451d4f933e8bc7d8d539f8672a2ebcb5cc9f9f3eec8ca9470a0c1"
)

// axe gives the accessibility checks of axe-core as a script. It comes from the
// npm registry into a directory of the test's own, and from npm's cache the
// next time.
func axe(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	testkit.Require(t, "npm", err == nil, "apt-get install npm")
	dir := t.TempDir()
	get := exec.CommandContext(t.Context(), npm, "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefer-offline", "axe-core@"+axeVersion)
	get.Dir = dir
	if said, err := get.CombinedOutput(); err != nil {
		testkit.Require(t, "axe-core "+axeVersion, false, fmt.Sprintf("npm could not get it: %v\n%s", err, said))
	}
	b, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != axeHash {
		t.Fatalf("axe-core %s is not what it was: SHA-256 %s, want %s", axeVersion, got, axeHash)
	}
	return string(b)
}

// accusing runs checks and gives what is serious or critical, one line each.
const accusing = `axe.run(document, {resultTypes: ["violations"], ...%s}).then(r => r.violations
	.filter(v => v.impact === "serious" || v.impact === "critical")
	.map(v => v.impact + ": " + v.id + ": " + v.help + ": " + v.nodes.map(n => n.target.join(" ")).join(", ")))`

// accused gives the serious and critical findings on the page as it is shown, of
// these rules or of all.
func (p *person) accused(axe string, rules ...string) []string {
	p.t.Helper()
	there, err := eval[bool](p, `typeof axe === "object"`)
	if err == nil && !there {
		_, err = eval[bool](p, axe+"; true")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	options := map[string]any{}
	if len(rules) > 0 {
		options["runOnly"] = rules
	}
	found, err := eval[[]string](p, accusing, options)
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// TestAxeSeesWhatIsWrong: checks that find nothing prove something only if they
// can find something.
func TestAxeSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	checks := axe(t)
	bad := map[string]string{
		"":               `<p>Nothing.</p>`,
		"color-contrast": `<p style="color: #999; background: #fff">faint</p>`,
		"label":          `<input type="text">`,
		"button-name":    `<button></button>`,
		"image-alt":      `<img src="data:,">`,
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><head><title>t</title></head><body><main><h1>t</h1>`+bad[r.URL.Path[1:]]+`</main></body></html>`)
	}))
	defer site.Close()
	p := sit(t, site.URL, true)
	for rule := range bad {
		p.open("/" + rule)
		if got := strings.Join(p.accused(checks), "\n"); (got == "") != (rule == "") || !strings.Contains(got, rule) {
			t.Errorf("%q: found %q", rule, got)
		}
	}
}
