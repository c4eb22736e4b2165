// Package testkit is what tests, the bench and the demo share: mail to import,
// certificates to trust or refuse, and a marker to look for.
//
//	Message, Odd, Big   mail from a generator, the same octets for the same seed
//	Corpus              real mail, where a folder of it lies beside the module
//	CA                  certificates of every kind, good and bad
//	Canary              a marker that must be found nowhere afterwards
//	Require             a real server may be missing on a laptop, never in CI
//
// The repository needs nothing beside itself: the corpus only adds to what the
// generator makes. Nothing of the product is imported here, so that a test
// never measures the product with its own yardstick; and not package testing
// either, because the demo is a command.
package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// TB is what testkit needs of *testing.T, *testing.B and *testing.F.
type TB interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Root gives the folder of the module the test runs in.
func Root(tb TB) string {
	tb.Helper()
	root, err := findRoot()
	if err != nil {
		tb.Fatalf("testkit: %v", err)
	}
	return root
}

func findRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above", start)
		}
	}
}

// Corpus gives the paths of real messages, one a file, in a fixed order;
// none where there is no ../shared/corpus beside the module.
func Corpus() []string {
	root, err := findRoot()
	if err != nil {
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(root), "shared", "corpus", "*", "*.eml"))
	if err != nil {
		panic("testkit: " + err.Error()) // the pattern is a constant
	}
	return paths
}

// Require ends the test where something real is missing: what it needs is
// skipped on a laptop, but a failure where CI is set.
func Require(tb TB, what string, present bool, install string) {
	tb.Helper()
	switch {
	case present:
	case strings.EqualFold(os.Getenv("CI"), "true") || os.Getenv("CI") == "1":
		tb.Fatalf("%s is missing: %s", what, install)
	default:
		tb.Skipf("%s is missing: %s", what, install)
	}
}
