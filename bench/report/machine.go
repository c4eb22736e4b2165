package report

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what the figures were measured on.
type Machine struct {
	OS     string  `json:"os"`
	CPU    string  `json:"cpu,omitempty"` // as the kernel calls it
	Cores  int     `json:"cores"`
	Memory float64 `json:"memory_gib,omitempty"`
	Go     string  `json:"go"`
	Commit string  `json:"commit,omitempty"` // with "+" where files were changed since
}

// ThisMachine describes the machine, and the commit of the module in dir.
func ThisMachine(dir string) Machine {
	m := Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	if kb, err := strconv.ParseFloat(strings.TrimSuffix(fact("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		m.Memory = kb / (1 << 20)
	}
	m.CPU = fact("/proc/cpuinfo", "model name")
	if out, err := exec.Command("git", "-C", dir, "rev-parse", "--short=12", "HEAD").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
		if changed, err := exec.Command("git", "-C", dir, "status", "--porcelain").Output(); err == nil && len(changed) > 0 {
			m.Commit += "+"
		}
	}
	return m
}

// fact reads "name : value" from a file of the kernel; "" where there is none.
func fact(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (m Machine) String() string {
	s := fmt.Sprintf("%d cores", m.Cores)
	if m.CPU != "" {
		s += " (" + m.CPU + ")"
	}
	if m.Memory > 0 {
		s += fmt.Sprintf(", %.0f GiB", m.Memory)
	}
	s += ", " + m.OS + ", " + m.Go
	if m.Commit != "" {
		s += ", commit " + m.Commit
	}
	return s
}
