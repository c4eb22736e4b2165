// Command mutants takes each protection of the exactly-once protocol, of the
// wipes, of the tokens of mailboxes and of what anybody can send to the service
// out, one at a time, and runs the tests that must notice. A mutant that survives
// is a test that cannot fail: exit 1.
//
// The mutations are made with the go command's -overlay: no file changes.
//
//	go run ./internal/tools/mutants            all of them
//	go run ./internal/tools/mutants no-fence   some of them
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mutant makes its edits and expects a failure of the tests that run selects
// in pkg.
type mutant struct {
	name, why string
	edits     []edit
	pkg, run  string
	seeds     int // of the simulation; 0: all of them
}

// edit replaces old, which occurs once in file, by new.
type edit struct{ file, old, new string }

func main() {
	chosen := slices.DeleteFunc(mutants, func(m mutant) bool {
		return len(os.Args) > 1 && !slices.Contains(os.Args[1:], m.name)
	})
	if out, err := exec.Command("go", append([]string{"test", "-count=1", led}, packages(chosen)...)...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "mutants: the tests fail without any mutation:\n%s", out)
		os.Exit(1)
	}
	var survived []string
	for _, m := range chosen {
		start := time.Now()
		killed, err := m.try()
		if err != nil {
			fmt.Fprintf(os.Stderr, "mutants: %s: %v\n", m.name, err)
			os.Exit(1)
		}
		verdict := "killed"
		if !killed {
			verdict = "SURVIVED"
			survived = append(survived, m.name)
		}
		fmt.Printf("%-9s %-22s %5.1f s  %s\n", verdict, m.name, time.Since(start).Seconds(), m.why)
	}
	if len(survived) > 0 {
		fmt.Fprintf(os.Stderr, "mutants: no test noticed %s\n", strings.Join(survived, ", "))
		os.Exit(1)
	}
}

// packages are those whose tests are to notice.
func packages(of []mutant) (all []string) {
	for _, m := range of {
		if !slices.Contains(all, m.pkg) {
			all = append(all, m.pkg)
		}
	}
	return all
}

// try reports whether the tests fail with the mutation in place. A mutation
// that does not apply, or does not compile, is an error.
func (m mutant) try() (killed bool, err error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	replace := make(map[string]string)
	for i, e := range m.edits {
		original, err := filepath.Abs(e.file)
		if err != nil {
			return false, err
		}
		from := original
		if earlier, ok := replace[original]; ok {
			from = earlier
		}
		src, err := os.ReadFile(from)
		if err != nil {
			return false, err
		}
		if n := strings.Count(string(src), e.old); n != 1 {
			return false, fmt.Errorf("%s: the text to replace occurs %d times: %s", e.file, n, e.old)
		}
		replace[original] = filepath.Join(dir, fmt.Sprint(i, "_", filepath.Base(e.file)))
		if err := os.WriteFile(replace[original], []byte(strings.Replace(string(src), e.old, e.new, 1)), 0o600); err != nil {
			return false, err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return false, err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return false, err
	}
	if out, err := exec.Command("go", "vet", "-overlay", list, m.pkg).CombinedOutput(); err != nil {
		return false, fmt.Errorf("does not compile: %s", out)
	}
	args := []string{"test", "-count=1", "-failfast", "-timeout=5m", "-overlay", list}
	if m.run != "" {
		args = append(args, "-run", m.run)
	}
	test := exec.Command("go", append(args, m.pkg)...)
	if m.seeds > 0 {
		test.Env = append(os.Environ(), fmt.Sprint("SMTP_SYNC_SIM_SEEDS=", m.seeds))
	}
	return test.Run() != nil, nil
}
