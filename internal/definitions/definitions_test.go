package definitions

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// said writes a result as the golden files have it: what was found with its
// line, then the problems. Passwords are not in it, only whether there is one.
func said(r Result) string {
	var b strings.Builder
	fmt.Fprintln(&b, "format", r.Format)
	for _, d := range r.Found {
		fmt.Fprintf(&b, "%d: %s %q at %s:%d %s, password %v", d.Line, d.Protocol, d.Username, d.Host, d.Port, d.Security, !d.Password.Empty())
		for _, s := range []struct{ what, value string }{{"name", d.Name}, {"label", d.Label}, {"after", d.After}} {
			if s.value != "" {
				fmt.Fprintf(&b, ", %s %q", s.what, s.value)
			}
		}
		for _, f := range d.Folders {
			fmt.Fprintf(&b, ", folder %q %q %v", f.Name, f.Label, f.Spam)
		}
		if d.Every > 0 {
			fmt.Fprintf(&b, ", every %v", d.Every)
		}
		b.WriteByte('\n')
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "problem %d:%d %s %v\n", p.Line, p.Column, p.Code, p.Note)
	}
	return b.String()
}

// TestFilesAreReadAsTheirProgramsReadThem: testdata has files of each kind, as
// the manuals have them and with what people do to them, and beside each what is
// to be found in it.
func TestFilesAreReadAsTheirProgramsReadThem(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.in")
	if err != nil || len(paths) < 7 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	formats := map[string]bool{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := Read("", raw)
		formats[r.Format] = true
		want, err := os.ReadFile(strings.TrimSuffix(path, ".in") + ".out")
		if err != nil && os.Getenv("WRITE") == "" {
			t.Fatal(err)
		}
		if got := said(r); got != string(want) {
			t.Errorf("%s: got\n%swant\n%s", path, got, want)
			if os.Getenv("WRITE") != "" {
				_ = os.WriteFile(strings.TrimSuffix(path, ".in")+".out", []byte(got), 0o644)
			}
		}
		for _, d := range r.Found {
			if p := d.Password.RevealString(); p != "" && !strings.HasPrefix(p, "s3cret") {
				t.Errorf("%s line %d: another password than there is", path, d.Line)
			}
		}
	}
	for _, f := range Formats() {
		if !formats[f] {
			t.Errorf("no file of the format %s", f)
		}
	}
}

func TestAFileThatIsNoneSaysSo(t *testing.T) {
	t.Parallel()
	for code, c := range map[string]struct{ format, text string }{
		"file_empty":     {"", " \n\t"},
		"file_too_large": {"", strings.Repeat("x", MaxSize+1)},
		"not_utf8":       {"", "poll \xff"},
		"format_unknown": {"", "Dear support,\nplease import my mailboxes.\n"},
		"nothing_found":  {"getmail", "[destination]\ntype = Maildir\n"},
		"header":         {"csv", "a,b\n1,2\n"},
		"csv":            {"csv", "host,username\n\"mail,me\n"},
		"columns":        {"csv", "host,username\nmail,me,you\n"},
		"column_twice":   {"csv", "host,server,username\n"},
		"json":           {"mailcow", "[{\"host1\": }]"},
		"json_shape":     {"mailcow", "[1]"},
	} {
		r := Read(c.format, []byte(c.text))
		if len(r.Found) != 0 || len(r.Problems) == 0 || r.Problems[0].Code != code || r.Problems[0].Line < 1 || r.Problems[0].Help() == "" {
			t.Errorf("%s: %+v", code, r)
		}
	}
	if r := Read("procmail", []byte("x")); r.Problems[0].Code != "format_unknown" {
		t.Errorf("a format that is none: %+v", r)
	}
}

func TestAFaultIsNamedByLineAndColumn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Problem{
		"poll mail.example proto imap\n  user \"me\" pasword \"s3cret\"\n": {2, 13, "word_unknown", false},
		"poll mail.example proto imap user me pass 's3cret":                {1, 43, "quote_open", false},
		"poll mail.example proto imap\n port zwei user me\n":               {2, 2, "number", false},
		"[\n {\"host1\": \"a\"},\n {\"host1\": \"b\" \"x\"}]":              {3, 16, "json", false},
		"poll mail.example proto imap user me password":                    {1, 38, "value_missing", false},
	} {
		if r := Read("", []byte(text)); !slices.Contains(r.Problems, want) {
			t.Errorf("%q: %+v, want %+v", text, r.Problems, want)
		}
	}
}

func TestAFileCannotDefineWithoutEnd(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"mailboxes": "host,username\n" + strings.Repeat("m,u\n", MaxFound*3),
		"users":     "poll m proto imap " + strings.Repeat("user u ", MaxFound*3),
		"faults":    "poll m proto imap user u " + strings.Repeat("what ", 5000),
		"sections":  strings.Repeat("[retriever]\n", 20000),
		"depth":     strings.Repeat("[", 200_000),
		"elements":  "[" + strings.Repeat("1,\n", 60_000) + "1]",
		"jobs":      "[" + strings.Repeat(`{"host1":"a"},`, 15_000) + "{}]",
		"folding":   "[retriever]\nserver = x\n" + strings.Repeat(" a\n", 80_000),
		"quotes":    "poll m user " + strings.Repeat(`"\"`, 60_000),
		"lines":     "IMAPAccount a\nHost h\n" + strings.Repeat("\n", 200_000),
	} {
		start := time.Now()
		r := Read("", []byte(text))
		if took := time.Since(start); took > 20*time.Second { // it takes milliseconds
			t.Errorf("%s: took %v", name, took)
		}
		if len(r.Found) > MaxFound || len(r.Problems) > maxProblems+1 {
			t.Errorf("%s: %d mailboxes, %d problems", name, len(r.Found), len(r.Problems))
		}
	}
}

// FuzzRead: whatever a file is, reading it ends, stays within its bounds, names
// lines that there are, and says nothing but its own words.
func FuzzRead(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.in")
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("", raw)
	}
	for _, name := range Formats() {
		f.Add(name, []byte("poll x user y pass z\n[retriever]\nIMAPStore a\nhost,user\n{\"Imap\":[{}]}"))
	}
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		r := Read(format, data)
		lines := strings.Count(string(data), "\n") + 1
		if len(r.Found) > MaxFound || len(r.Problems) > maxProblems+1 {
			t.Fatalf("%d mailboxes, %d problems", len(r.Found), len(r.Problems))
		}
		for _, p := range r.Problems {
			if p.Line < 1 || p.Line > lines || p.Text() == "" || p.Help() == "" {
				t.Fatalf("%+v, of %d lines", p, lines)
			}
		}
		for _, d := range r.Found {
			if d.Line < 1 || d.Line > lines || d.Host == "" || d.Port < 0 || d.Port > 65535 {
				t.Fatalf("%+v", d)
			}
		}
		if len(r.Found)+len(r.Problems) == 0 {
			t.Fatal("it is said to hold nothing, and nothing is said")
		}
	})
}

func TestASecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	r := Read("", []byte("poll mail.example proto imap user me pass s3cret ssl s3cret\n"))
	if len(r.Found) != 1 || !r.Found[0].Password.Equal(vault.NewSecret("s3cret")) {
		t.Fatalf("%+v", r)
	}
	if text := fmt.Sprintf("%+v %#v", r, r); strings.Contains(text, "s3cret") {
		t.Error("printing what was found prints the password")
	}
	for _, p := range r.Problems {
		if strings.Contains(p.Text()+p.Help(), "s3cret") {
			t.Error("a problem quotes the file")
		}
	}
}
