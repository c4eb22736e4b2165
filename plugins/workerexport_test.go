package plugins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// Codes of notes with which a plugin makes the worker of the tests do what only
// wrong machine code could, when a message has the subject "now".
const (
	CodeEnd = 700 + iota
	CodeEat
	CodeHang
	CodeBabble
	CodeLie
	CodeReach
)

// Names of plugins that end the process which compiles them, eat its memory, keep it
// busy and hold it up.
const (
	EndsTheCompiler  = "ends-the-compiler"
	EatsTheCompiler  = "eats-the-compiler"
	SpinsTheCompiler = "spins-the-compiler"
	HangsTheCompiler = "hangs-the-compiler"
)

// ServeBadly is Serve for plugins that got out.
func ServeBadly(ctx context.Context) error {
	functions := hostModules[manifest.ABI]
	for i, f := range functions {
		if f.name == "note" {
			functions[i].run = func(c *call, m api.Memory, stack []uint64) {
				if c.facts != nil {
					if subject, _ := c.facts.Value(field.Subject); subject == "now" {
						misbehave(c, api.DecodeI32(stack[0]))
					}
				}
				f.run(c, m, stack)
			}
		}
	}
	return Serve(ctx, spy{os.Stdin}, os.Stdout, Options{})
}

// spy looks for modules of the names above.
type spy struct{ io.Reader }

func (s spy) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if bytes.Contains(b[:n], []byte(EndsTheCompiler)) {
		os.Exit(3)
	}
	if bytes.Contains(b[:n], []byte(EatsTheCompiler)) {
		eat()
	}
	if bytes.Contains(b[:n], []byte(SpinsTheCompiler)) {
		for start := time.Now(); time.Since(start) < 20*time.Second; {
		}
	}
	if bytes.Contains(b[:n], []byte(HangsTheCompiler)) {
		time.Sleep(time.Minute)
	}
	return n, err
}

func eat() {
	for eaten := [][]byte{}; ; {
		eaten = append(eaten, make([]byte, 256<<20))
	}
}

func misbehave(c *call, code int32) {
	switch code {
	case CodeEnd:
		os.Exit(3)
	case CodeEat:
		eat()
	case CodeHang:
		select {}
	case CodeBabble:
		_, _ = os.Stdout.WriteString("this is no frame, and more than eight octets of it")
	case CodeLie:
		c.labels = append(c.labels, "1", "2", "3", "4", "5", "6")
	case CodeReach:
		c.notes = append(c.notes, Note{code, reached()})
	}
}

// reached counts what of the outside a worker gets at; it should be nothing.
func reached() (n int64) {
	denied := func(err error) int64 {
		if errors.Is(err, syscall.EPERM) {
			return 0
		}
		return 1
	}
	_, err := os.ReadFile("/proc/self/status")
	n += denied(err)
	_, err = net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
	n += denied(err)
	n += denied(exec.Command("/bin/true").Run())
	n += denied(syscall.Kill(os.Getppid(), 0))
	n += int64(len(os.Environ()))
	return n
}

// Limit sets how long a message may take in the worker.
func (h *Host) Limit(d time.Duration) { h.worker.limit = d }

// CompileLimit sets how long compiling may take: of a processor, and by the clock.
func (h *Host) CompileLimit(cpu, clock time.Duration) { h.worker.compile, h.worker.load = cpu, clock }

// Loaded counts the modules that the host keeps.
func (h *Host) Loaded() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.plugins)
}
