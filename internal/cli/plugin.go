package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/examples"
)

type pluginCmd struct {
	New   pluginNewCmd   `cmd:"" help:"A folder with a rule to start from, which builds as it is."`
	Pack  pluginPackCmd  `cmd:"" help:"Put the manifest into a module; a module in WebAssembly text (.wat) is assembled first."`
	Check pluginCheckCmd `cmd:"" help:"What the gate says of a module, and its manifest in words; exit 1 with each reason if it is not taken."`
	Test  pluginTestCmd  `cmd:"" help:"Ask a rule about the message on standard input: verdict, reason, labels, notes, fuel."`
	Bench pluginBenchCmd `cmd:"" help:"Messages a second and fuel, on one processor."`
}

type pluginNewCmd struct {
	Dir  string `arg:"" help:"Folder to make; its name is the rule's." placeholder:"DIR"`
	Lang string `default:"go" enum:"go,rust,c,assemblyscript,wat" help:"Language: go, rust, c, assemblyscript or wat; wat needs no compiler." placeholder:"go"`
}

// Run writes a template into a folder that is not there or is empty.
func (c *pluginNewCmd) Run(a *app) error {
	entries, err := os.ReadDir(c.Dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return usageError{err}
	case len(entries) > 0:
		return usageError{fmt.Errorf("%s: is not empty: name a new folder", c.Dir)}
	}
	name, err := ruleName(c.Dir)
	if err != nil {
		return err
	}
	tree, commands, err := examples.Template(c.Lang, name)
	if err != nil {
		return usageError{err}
	}
	for _, file := range slices.Sorted(maps.Keys(tree)) {
		path := filepath.Join(c.Dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, tree[file], 0o644); err != nil {
			return err
		}
		a.printf("%s\n", path)
	}
	a.printf("\nBuild it and try it, in %s:\n\n  %s\n", c.Dir, strings.Join(commands, "\n  "))
	return nil
}

var notOfName = regexp.MustCompile(`[^a-z0-9]+`)

// ruleName makes the name of a rule out of that of its folder.
func ruleName(dir string) (string, error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name := strings.Trim(notOfName.ReplaceAllString(strings.ToLower(filepath.Base(whole)), "-"), "-")
	if name == "" || name[0] < 'a' {
		name = strings.TrimSuffix("rule-"+name, "-")
	}
	return name, nil
}

// engineFlag chooses how rules run.
type engineFlag struct {
	Engine string `default:"compiler" enum:"compiler,interpreter" help:"compiler or interpreter; verdicts and fuel are the same." placeholder:"compiler"`
}

// host makes a host for one command.
func (e engineFlag) host(ctx context.Context) (h *plugins.Host, closing func(), err error) {
	h, err = plugins.New(ctx, plugins.Options{Interpreter: e.Engine == "interpreter"})
	if err != nil {
		return nil, nil, err
	}
	return h, func() { _ = h.Close(context.WithoutCancel(ctx)) }, nil
}

// load reads a module and takes it into a host. What cannot be read is a mistake
// on the command line; what is not taken is one of the module.
func load(ctx context.Context, h *plugins.Host, file string) (*plugins.Plugin, error) {
	wasm, err := readModule(file)
	if err != nil {
		return nil, usageError{err}
	}
	p, err := h.Load(ctx, wasm)
	if err != nil {
		return nil, refused(file, err)
	}
	return p, nil
}

// setUp makes a rule of a module with the settings of --set.
func setUp(ctx context.Context, h *plugins.Host, file string, settings []string) (*plugins.Rule, error) {
	p, err := load(ctx, h, file)
	if err != nil {
		return nil, err
	}
	values, err := p.Manifest.FromText(settings)
	if err != nil {
		return nil, usageError{refused("--set", err)}
	}
	r, err := p.Rule(ctx, values)
	if _, own := errors.AsType[*plugins.Fault](err); own {
		return nil, refused(file, err)
	}
	if err != nil {
		return nil, usageError{refused("--set", err)}
	}
	return r, nil
}

// refused gives each reason a line of its own that says what it is about.
func refused(what string, err error) error {
	var lines []error
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, fmt.Errorf("%s: %s", what, strings.TrimRight(line, "\n")))
	}
	return errors.Join(lines...)
}
