package world

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Child is this program in another role.
type Child struct {
	Said string // the first line it said
	PID  int

	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

// StartChild runs self in a role and waits for its first line.
func StartChild(ctx context.Context, self, role string, env []string, args ...string) (*Child, error) {
	cmd := exec.CommandContext(ctx, self, append([]string{"-role", role}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &Child{cmd: cmd, stdin: stdin, out: bufio.NewReader(out), PID: cmd.Process.Pid}
	if c.Said, err = c.Line(); err != nil {
		c.Stop()
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return c, nil
}

// Line gives the next line that the child says.
func (c *Child) Line() (string, error) {
	line, err := c.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// Stop ends the child and waits for it.
func (c *Child) Stop() {
	_ = c.stdin.Close()
	late := time.AfterFunc(5*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	_ = c.cmd.Wait()
}

// UntilParentEnds gives a context that ends with the parent of a child, or with ctx.
func UntilParentEnds(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}
