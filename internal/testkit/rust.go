package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Rust gives the folder of a rustc that compiles for wasm32-unknown-unknown, and
// skips where there is none: rustup's may lack the target where Debian's has it.
func Rust(tb TB) string {
	tb.Helper()
	for _, name := range []string{"rustc", "/usr/bin/rustc"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		root, err := exec.Command(path, "--print", "sysroot").Output()
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(strings.TrimSpace(string(root)), "lib/rustlib/wasm32-unknown-unknown")); err == nil {
			return filepath.Dir(path)
		}
	}
	Require(tb, "rustc for wasm32-unknown-unknown", false, "apt-get install rustc libstd-rust-dev-wasm32 lld")
	return ""
}
