package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

// author is somebody who writes rules: an empty folder, and the program on the path.
type author struct {
	t   testing.TB
	dir string
	env []string
}

func newAuthor(t testing.TB) *author {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(build(t), filepath.Join(bin, "smtp-sync")); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	// No module comes from anywhere: a template has all that it needs.
	env := append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	return &author{t, work, env}
}

// sh runs lines of a shell, which stops at the first that fails.
func (a *author) sh(script, stdin string) result {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 4*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-eu", "-c", script)
	c.WaitDelay = 10 * time.Second // for what it may leave running
	var stdout, stderr bytes.Buffer
	c.Dir, c.Env, c.Stdin, c.Stdout, c.Stderr = a.dir, a.env, strings.NewReader(stdin), &stdout, &stderr
	if err := c.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		a.t.Fatalf("%s: %v", script, err)
	}
	return result{code: c.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// want fails unless the script ended so and said all of it.
func (a *author) want(script, stdin string, code int, said ...string) result {
	a.t.Helper()
	r := a.sh(script, stdin)
	if r.code != code {
		a.t.Errorf("%s: exit %d, want %d\n%s%s", script, r.code, code, r.stdout, r.stderr)
	}
	for _, text := range said {
		if !strings.Contains(r.stdout+r.stderr, text) {
			a.t.Errorf("%s: does not say %q:\n%s%s", script, text, r.stdout, r.stderr)
		}
	}
	return r
}

const fromList = "From: a@example.com\nList-Id: X <x.example.org>\n\n"

// TestARuleIsMadeByWhatIsPrinted: what `plugin new` prints builds, packs, checks and
// tries a rule, in a folder that has nothing else, in each language.
func TestARuleIsMadeByWhatIsPrinted(t *testing.T) {
	t.Parallel()
	tools := map[string][]string{"go": {"go"}, "rust": nil, "c": {"clang", "wasm-ld"}, "assemblyscript": {"npm"}, "wat": nil}
	for lang, needed := range tools {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			for _, tool := range needed {
				_, err := exec.LookPath(tool)
				testkit.Require(t, tool, err == nil, "apt-get install clang lld npm")
			}
			path := ""
			if lang == "rust" {
				path = "PATH=" + testkit.Rust(t) + ":$PATH\n"
			}
			a := newAuthor(t)
			printed := a.want("smtp-sync plugin new --lang "+lang+" 'My Rule'", "", 0, "manifest.json", "sample.txt").stdout
			_, commands, _ := strings.Cut(printed, "Build it and try it, in My Rule:\n")
			a.want("cd 'My Rule'\n"+path+commands, "", 0,
				"my-rule 1.0.0", "Can see   the sender's domain, the mailing list\n", "Can do    leave it out of Gmail, put labels on it\n", "domains, domain-list: Domains",
				"1: the sender's domain is on your list", "verdict   skip\n", "reason    1: the sender's domain is on your list\n", "labels    none\n")
			a.want("cd 'My Rule'\nsmtp-sync plugin test rule.plugin.wasm --set domains=example.net --set under=Post --expect keep", fromList, 0,
				"verdict   keep\n", "labels    Post/x.example.org\n", "reason    2: came through a mailing list\n")
			a.want("cd 'My Rule'\nsmtp-sync plugin bench rule.plugin.wasm --set domains=example.net --for 50ms --message sample.txt", "", 0, " a second", "fuel ")
			compiled := a.want("cd 'My Rule'\nsmtp-sync plugin test rule.plugin.wasm --json", fromList, 0, `"verdict":[],"reason":2,"labels":["Lists/x.example.org"],"notes":[],"fuel":`)
			interpreted := a.want("cd 'My Rule'\nsmtp-sync plugin test rule.plugin.wasm --json --engine interpreter", fromList, 0)
			if compiled.stdout != interpreted.stdout {
				t.Errorf("compiled %sinterpreted %s", compiled.stdout, interpreted.stdout)
			}
		})
	}
}

// TestAuthorsAreToldWhatIsWrong: each reason with its place and its cure, and an
// exit code that tells a mistake on the command line from one in the rule.
func TestAuthorsAreToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	a.want("smtp-sync plugin new --lang wat rule && cd rule && smtp-sync plugin pack rule.wat", "", 0, "rule.plugin.wasm: ")
	a.want("smtp-sync plugin new rule", "", 2, "rule: is not empty: name a new folder")
	a.want("smtp-sync plugin new --lang cobol other", "", 2, "--lang must be one of")
	a.want("smtp-sync plugin check none.wasm", "", 2, "none.wasm")
	a.want("printf 'no module' > text.wasm; smtp-sync plugin check text.wasm", "", 1, "smtp-sync: text.wasm: module: is no WebAssembly module: upload the .wasm file")
	a.want(`printf '\000asm\001\000\000\000' > empty.wasm; smtp-sync plugin check empty.wasm`, "", 1, `lacks the export "memory": export the linear memory under this name`)
	a.want(`cp rule/manifest.json . && smtp-sync plugin pack empty.wasm`, "", 1, `empty.wasm: module: lacks the export "memory"`)
	a.want(`printf '(module\n (memory (export "memory") 1) (func (export "filter_v1") (result i64) (frobnicate)))' > bad.wat; smtp-sync plugin pack bad.wat`, "", 1, "bad.wat: ", "2", "frobnicate")
	a.want(`printf '(module (import "env" "fetch" (func $f)) (memory (export "memory") 1) (func (export "filter_v1") (result i64) (i64.const 0)))' > imports.wat
		smtp-sync plugin pack imports.wat`, "", 1, "imports.wat: import section at octet ", "fetch")
	a.want(`printf '{"abi":"smtpsync_v1","name":"BAD","version":"1","title":{"de":"x"},"needs":{"verdicts":["destroy"]}}' > wrong.json
		smtp-sync plugin pack rule/rule.wat wrong.json`, "", 1, "wrong.json: name: ", "wrong.json: version: ", "wrong.json: title: is missing: give it in English at least", `wrong.json: needs.verdicts: asks for "destroy"`)
	if r := a.sh("smtp-sync plugin pack rule/rule.wat wrong.json", ""); strings.Count(r.stderr, "\n") != 4 {
		t.Errorf("not one line a reason:\n%s", r.stderr)
	}
	a.want("smtp-sync plugin check rule/rule.plugin.wasm", "", 0, "Digest    ", "Limits    10000000 units of fuel")
	a.want("smtp-sync plugin test rule/rule.plugin.wasm --set colour=red", fromList, 2, "--set: config.", "is no setting of this plugin")
	a.want("smtp-sync plugin test rule/rule.plugin.wasm --set domains=-", fromList, 2, "use example.org for domains")
	a.want("smtp-sync plugin test rule/rule.plugin.wasm", "", 2, "standard input: has no message")
	a.want("smtp-sync plugin test rule/rule.plugin.wasm --expect skip", fromList, 1, "the verdict is keep, not skip")
	a.want("smtp-sync plugin test rule/rule.plugin.wasm --expect maybe", fromList, 2, `"maybe" is no verdict: write keep, or some of skip, `)
	a.want("smtp-sync plugin test size-limit --set limit=1kB --size 2000 --expect skip", fromList, 0)
	a.want("smtp-sync plugin test size-limit --set limit=1kB --expect keep", fromList, 0)
	a.want("smtp-sync plugin test size-limit --set limit=1kB --expect skip", fromList+strings.Repeat("all work and no play\n", 100), 0)
}

// TestAFailingRuleSaysSo: a rule that does not end is stopped, and its author
// told what becomes of the mail.
func TestAFailingRuleSaysSo(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	const loop = `(module (memory (export "memory") 1) (func (export "filter_v1") (result i64) (loop $again (br $again)) (i64.const 0)))`
	if err := os.WriteFile(filepath.Join(a.dir, "loop.wat"), []byte(loop), 0o600); err != nil {
		t.Fatal(err)
	}
	const document = `{"abi":"smtpsync_v1","name":"loop","version":"1.0.0","title":{"en":"Loop"}}`
	if err := os.WriteFile(filepath.Join(a.dir, "manifest.json"), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	a.want("smtp-sync plugin pack loop.wat && smtp-sync plugin test loop.plugin.wasm", fromList, 1,
		"took more fuel than it may", "after 10000000 units of fuel; mail is imported as if there were no such rule")
}

// TestTheProgramIsItsOwnWorker: rules that users upload run in a process of the
// same binary, which ends with its host.
func TestTheProgramIsItsOwnWorker(t *testing.T) {
	t.Parallel()
	h, err := plugins.New(t.Context(), plugins.Options{Worker: []string{build(t), "plugin-worker"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close(context.Background()) }()
	size, _ := shipped.Named("size-limit")
	chain, err := h.Chain(t.Context(), "u", field.Mailbox{}, []plugins.Spec{{Name: "size", Wasm: size.Wasm, Settings: []byte(`{"limit":"1kB"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := chain.Decide(t.Context(), mail.ParseHeader([]byte("From: a@example.org\r\n\r\n")), mail.Ref{Size: 2000})
	if err != nil || !v.Skip || v.Reason != "size-limit/1" {
		t.Errorf("verdict %+v, %v", v, err)
	}
}
