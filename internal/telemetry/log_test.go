package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// logged gives what f writes, decoded, without time and level.
func logged(t *testing.T, o Options, f func(*slog.Logger)) map[string]any {
	t.Helper()
	var b bytes.Buffer
	o.Format = "json"
	f(New(&b, o))
	m := map[string]any{}
	if err := json.Unmarshal(b.Bytes(), &m); err != nil {
		t.Fatalf("%v in %q", err, b.String())
	}
	delete(m, "time")
	delete(m, "level")
	return m
}

func TestKeysOfTheClosedSetAreWritten(t *testing.T) {
	t.Parallel()
	user := id.New[id.User]()
	got := logged(t, Options{}, func(l *slog.Logger) {
		l.With("node", "n1").Info("message imported", "user", user, "ref", mail.Ref{UID: 7}, "status", mail.Imported,
			"dur_ms", 1500*time.Millisecond, "size", int64(12), "err", errors.New("cut"), slog.Group("", "code", "inline"), "addr", vault.NewSecret("x"))
	})
	want := map[string]any{
		"msg": "message imported", "node": "n1", "user": user.String(), "ref": "uid 7", "status": "imported",
		"dur_ms": 1500.0, "size": 12.0, "err": "cut", "code": "inline", "addr": "[secret]",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

type valuer struct{ v slog.Value }

func (v valuer) LogValue() slog.Value { return v.v }

type pair struct{ User, Body string }

// However it is wrapped, an attribute outside the set does not reach the log.
func TestNothingElseIsWritten(t *testing.T) {
	t.Parallel()
	const canary = "cAnArY7f3c"
	for name, f := range map[string]func(*slog.Logger){
		"unknown key":             func(l *slog.Logger) { l.Info("m", "body", canary) },
		"key of another case":     func(l *slog.Logger) { l.Info("m", "User", canary) },
		"With":                    func(l *slog.Logger) { l.With("subject", canary).Info("m") },
		"group by a known key":    func(l *slog.Logger) { l.Info("m", slog.Group("user", "body", canary)) },
		"known key in a group":    func(l *slog.Logger) { l.Info("m", slog.Group("mail", "user", canary)) },
		"group in inline group":   func(l *slog.Logger) { l.Info("m", slog.Group("", slog.Group("user", "user", canary))) },
		"unknown in inline group": func(l *slog.Logger) { l.Info("m", slog.Group("", "body", canary)) },
		"WithGroup":               func(l *slog.Logger) { l.WithGroup("user").Info("m", "user", canary) },
		"WithGroup and With":      func(l *slog.Logger) { l.WithGroup("user").With("err", canary).Info("m", "err", canary) },
		"WithGroup twice":         func(l *slog.Logger) { l.WithGroup("a").WithGroup("").Info("m", "err", canary) },
		"valuer that is a group":  func(l *slog.Logger) { l.Info("m", "user", valuer{slog.GroupValue(slog.String("user", canary))}) },
		"valuer that is a struct": func(l *slog.Logger) { l.Info("m", "user", valuer{slog.AnyValue(pair{canary, canary})}) },
		"struct":                  func(l *slog.Logger) { l.Info("m", "user", pair{canary, canary}) },
		"pointer":                 func(l *slog.Logger) { l.Info("m", "user", &pair{canary, canary}) },
		"bytes":                   func(l *slog.Logger) { l.Info("m", "err", []byte(canary)) },
		"raw JSON":                func(l *slog.Logger) { l.Info("m", "err", json.RawMessage(`"`+canary+`"`)) },
		"map":                     func(l *slog.Logger) { l.Info("m", "user", map[string]string{"user": canary}) },
		"secret":                  func(l *slog.Logger) { l.Info("m", "user", vault.NewSecret(canary), "err", vault.NewSecret(canary)) },
		"cause of an error":       func(l *slog.Logger) { l.Info("m", "err", &mail.Fault{Text: "cut", Err: errors.New(canary)}) },
		"no key":                  func(l *slog.Logger) { l.Info("m", []any{canary}...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := logged(t, Options{}, f)
			if strings.Contains(fmt.Sprint(got), canary) {
				t.Errorf("logged %v", got)
			}
			for key := range maps.Keys(got) {
				if key != "msg" && !slices.Contains(keys, key) {
					t.Errorf("key %q was written", key)
				}
			}
		})
	}
}

func TestTextsOfStrangersStayOnOneHarmlessLine(t *testing.T) {
	t.Parallel()
	got := logged(t, Options{}, func(l *slog.Logger) {
		l.Info("login\nrefused", "err", errors.New("bad\r\nlevel=ERROR \x1b[2J\u009b31m \u202etxt\u2066\u200f\ufeff\xff end\u2028x"))
	})
	if want := "bad  level=ERROR [2J31m txt\ufffd end x"; got["err"] != want || got["msg"] != "login refused" {
		t.Errorf("err = %q, want %q; msg = %q", got["err"], want, got["msg"])
	}
	long := logged(t, Options{}, func(l *slog.Logger) { l.Info("m", "err", strings.Repeat("é", 10_000)) })
	if n := len([]rune(long["err"].(string))); n != longest+1 {
		t.Errorf("%d runes of 10,000 were written, want %d", n, longest+1)
	}
}

type circle struct{}

func (c circle) Error() string { return "round" }
func (c circle) Unwrap() error { return c }

func TestErrorsShowTheirCausesAtLevelDebugOnly(t *testing.T) {
	t.Parallel()
	fault := fmt.Errorf("claim 7: %w", &mail.Fault{Text: "cut", Help: "wait", Err: errors.New("connection reset")})
	for _, row := range []struct {
		level string
		err   error
		want  any
	}{
		{"info", fault, "claim 7: cut: wait"},
		{"debug", fault, "claim 7: cut: wait (connection reset)"},
		{"debug", circle{}, "round"},
		{"debug", (*mail.Fault)(nil), nil}, // panics in Error
		{"info", (*mail.Fault)(nil), nil},
	} {
		got := logged(t, Options{Level: row.level}, func(l *slog.Logger) { l.Error("m", "err", row.err) })
		if got["err"] != row.want {
			t.Errorf("level %s: err = %v, want %v", row.level, got["err"], row.want)
		}
	}
}

func TestLevelAndFormat(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError} {
		l := New(&bytes.Buffer{}, Options{Level: level})
		if !l.Enabled(t.Context(), want) || l.Enabled(t.Context(), want-1) {
			t.Errorf("level %q does not begin at %v", level, want)
		}
	}
	for format, want := range map[string]string{"text": "msg=m", "json": `"msg":"m"`, "": `"msg":"m"`} {
		var b bytes.Buffer
		New(&b, Options{Format: format}).Info("m")
		if !strings.Contains(b.String(), want) {
			t.Errorf("format %q writes %q", format, b.String())
		}
	}
	f, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if Terminal(f) || Terminal(&bytes.Buffer{}) {
		t.Error("a file or a buffer passes for a terminal")
	}
}
