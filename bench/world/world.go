package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// World is what one scenario happens in.
type World struct {
	Dir     string // everything is below it
	Self    string // this program, for its other roles
	Product string // the binary under test
	Roots   string // the file of the mail servers' authority

	Double Double
	Hosts  hosts.Client
	Placed []hosts.Placed
	People []Person

	children []*Child
}

// New makes a world in a folder of its own. The product is the binary given, or
// built from this tree where that is "".
func New(ctx context.Context, product string) (*World, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	w := &World{Self: self, Dir: dir, Product: product}
	if product == "" {
		w.Product = filepath.Join(dir, "smtp-sync")
		err = build(ctx, w.Product)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func build(ctx context.Context, to string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, ".")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Root is the folder of the module.
func Root() (dir string, err error) {
	c := &complaint{}
	defer func() {
		if r := recover(); r == any(c) {
			err = c.err
		} else if r != nil {
			panic(r)
		}
	}()
	return testkit.Root(c), nil
}

// complaint lets testkit complain without a test.
type complaint struct {
	testkit.TB
	err error
}

func (*complaint) Helper() {}
func (c *complaint) Fatalf(format string, args ...any) {
	c.err = fmt.Errorf(format, args...)
	panic(c)
}

// Role starts this program in another role, for as long as the world stands.
func (w *World) Role(ctx context.Context, role string, args ...string) (*Child, error) {
	c, err := StartChild(ctx, w.Self, role, w.rolesEnv(), args...)
	if err == nil {
		w.children = append(w.children, c)
	}
	return c, err
}

func (w *World) rolesEnv() []string {
	if w.Roots == "" {
		return nil
	}
	return []string{"SMTPSYNC_TLS_CA_FILE=" + w.Roots}
}

// StartDouble starts the Gmail double, or takes the one at url if it is not "".
func (w *World) StartDouble(ctx context.Context, url string) error {
	if url != "" {
		w.Double = Double{URL: strings.TrimSuffix(url, "/")}
		return nil
	}
	c, err := w.Role(ctx, "double")
	if err == nil {
		w.Double = Double{URL: c.Said}
	}
	return err
}

// StartHosts starts the mail servers, without mailboxes.
func (w *World) StartHosts(ctx context.Context) error {
	c, err := w.Role(ctx, "hosts")
	if err != nil {
		return err
	}
	w.Hosts = hosts.Client{URL: c.Said}
	pem, err := w.Hosts.CA(ctx)
	if err != nil {
		return err
	}
	w.Roots = filepath.Join(w.Dir, "roots.pem")
	return os.WriteFile(w.Roots, pem, 0o644)
}

// Close ends all processes and removes everything.
func (w *World) Close() {
	for _, c := range w.children {
		c.Stop()
	}
	if err := os.RemoveAll(w.Dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}
