package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
)

// binaries builds the program once for each set of flags.
type binaries struct {
	dir  string
	mu   sync.Mutex
	done map[string]string
}

var built binaries

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "smtp-sync-e2e")
	if err != nil {
		panic(err)
	}
	built = binaries{dir: dir, done: make(map[string]string)}
	code := postgres.Main(m)
	stopShared()
	stopChromium()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build gives the path of the binary built with these flags.
func build(t testing.TB, flags ...string) string {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	key := strings.Join(flags, " ")
	if built.done[key] == "" {
		out := filepath.Join(built.dir, strconv.Itoa(len(built.done)))
		cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), ".")...)
		cmd.Dir = testkit.Root(t)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", key, err, msg)
		}
		built.done[key] = out
	}
	return built.done[key]
}

const user = "me@gmail.example"

// installation is one data directory, one Gmail account and how to reach both.
type installation struct {
	t     testing.TB
	bin   string
	data  string
	gmail *gmailtest.Listening
	env   map[string]string
	token string // file
}

func install(t testing.TB, o gmailtest.Options, buildFlags ...string) *installation {
	t.Helper()
	double, err := gmailtest.Start(o, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(double.Close)
	double.AddUser(user)
	dir := t.TempDir()
	in := &installation{
		t: t, bin: build(t, buildFlags...), data: filepath.Join(dir, "data"),
		gmail: double, token: filepath.Join(dir, "token"),
	}
	in.write(in.token, double.RefreshToken(user, gmailtest.ScopeInsert, gmailtest.ScopeLabels))
	in.env = map[string]string{
		"SMTPSYNC_DATABASE_URL":                   "sqlite://" + in.data,
		"SMTPSYNC_GOOGLE_CLIENT_ID":               gmailtest.DefaultClientID,
		"SMTPSYNC_GOOGLE_CLIENT_SECRET":           gmailtest.DefaultClientSecret,
		"SMTPSYNC_GOOGLE_ISSUER":                  double.URL,
		"SMTPSYNC_GMAIL_API_URL":                  double.URL,
		"SMTPSYNC_SOURCE_ALLOW_CIDRS":             "127.0.0.0/8",
		"SMTPSYNC_GMAIL_UNITS_PER_USER_MINUTE":    "0",
		"SMTPSYNC_GMAIL_UNITS_PER_PROJECT_MINUTE": "0",
		"SMTPSYNC_GMAIL_UNITS_PER_PROJECT_DAY":    "0",
		"SMTPSYNC_GMAIL_BYTES_PER_USER_DAY":       "0",
		"HOME":                                    dir,
		"PATH":                                    os.Getenv("PATH"),
	}
	return in
}

func (in *installation) write(path, content string) string {
	in.t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		in.t.Fatal(err)
	}
	return path
}

// account is a mailbox at a source.
type account struct {
	url      string // of --source
	password string // file
}

// at makes an account and lets the installation reach it.
func (in *installation) at(scheme, name, password string, port int, ca *testkit.CA) account {
	in.t.Helper()
	roots := filepath.Join(filepath.Dir(in.data), "roots.pem")
	if err := ca.WriteFile(roots); err != nil {
		in.t.Fatal(err)
	}
	in.env["SMTPSYNC_TLS_CA_FILE"] = roots
	ports := in.env["SMTPSYNC_SOURCE_PORTS"]
	if ports != "" {
		ports += ","
	}
	in.env["SMTPSYNC_SOURCE_PORTS"] = ports + strconv.Itoa(port)
	return account{
		url:      fmt.Sprintf("%s://%s@127.0.0.1:%d", scheme, name, port),
		password: in.write(filepath.Join(filepath.Dir(in.data), "password-"+name), password+"\n"),
	}
}

// result is how a process ended.
type result struct {
	code           int // -1: killed
	stdout, stderr string
	report         report
}

type report struct {
	Listed   int     `json:"listed"`
	Imported int     `json:"imported"`
	Already  int     `json:"already"`
	Skipped  int     `json:"skipped"`
	Refused  int     `json:"refused"`
	Doubtful int     `json:"doubtful"`
	Failed   int     `json:"failed"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
}

// command prepares a process.
func (in *installation) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, in.bin, args...)
	for k, v := range in.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Dir = filepath.Dir(in.data)
	return cmd
}

// run runs a process to its end.
func (in *installation) run(args ...string) result {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), 4*time.Minute)
	defer cancel()
	return in.wait(in.command(ctx, args...))
}

func (in *installation) wait(cmd *exec.Cmd) result {
	in.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		in.t.Fatalf("%v: %v", cmd.Args, err)
	}
	r := result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	_ = json.Unmarshal([]byte(lines[len(lines)-1]), &r.report)
	return r
}

// syncArgs are those of a sync of the account.
func (in *installation) syncArgs(a account, more ...string) []string {
	return append([]string{
		"sync", "--json", "--source", a.url, "--password-file", a.password,
		"--google-refresh-token-file", in.token,
	}, more...)
}

func (in *installation) sync(a account, more ...string) result {
	in.t.Helper()
	return in.run(in.syncArgs(a, more...)...)
}

// want fails unless the process ended as expected.
func (r result) want(t testing.TB, code int, want report) {
	t.Helper()
	got := r.report
	got.Bytes, got.Seconds = 0, 0
	if r.code != code || got != want {
		t.Errorf("exit %d, %+v; want %d, %+v\n%s", r.code, got, code, want, r.stderr)
	}
}

// once fails unless Gmail has exactly the messages of truth.
func once(t testing.TB, got, truth map[string]int) {
	t.Helper()
	var missing, doubled, alien int
	for h, n := range truth {
		missing += max(0, n-got[h])
		doubled += max(0, got[h]-n)
	}
	for h, n := range got {
		if truth[h] == 0 {
			alien += n
		}
	}
	if missing+doubled+alien > 0 {
		t.Errorf("Gmail: %d missing, %d doubled, %d that never were", missing, doubled, alien)
	}
}
