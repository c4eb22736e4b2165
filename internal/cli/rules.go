package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

// ruleBudget is what of a processor the rules of one user may take in a second.
const ruleBudget = 50 * time.Millisecond

// openRules makes the rules of the service's users ready. Those that come with
// the program run in this process. A stranger's must not: machine code made of
// it is one mistake of a compiler away from everybody's passwords. It runs in a
// worker; where that keeps its rights, and anybody may sign up, nobody's are taken.
func (p *parts) openRules(ctx context.Context) (closing func(), err error) {
	ctx = context.WithoutCancel(ctx)
	interpreter := p.cfg.PluginEngine == "interpreter"
	worker, err := pluginWorker(interpreter)
	if err != nil {
		return nil, err
	}
	ours := map[plugins.Digest]bool{}
	for _, r := range shipped.All() {
		ours[sha256.Sum256(r.Wasm)] = true
	}
	host, err := plugins.New(ctx, plugins.Options{
		Interpreter: interpreter, Worker: worker, Budget: ruleBudget,
		Trusted: func(d plugins.Digest) bool { return ours[d] },
	})
	if err != nil {
		return nil, err
	}
	p.rules = rulebook.New(p.store, host, plugins.Confined || cmp.Or(p.cfg.Signup, "first") != "open")
	return func() { _ = host.Close(ctx) }, nil
}

// pluginFlag is one --plugin with the --set that follow it.
type pluginFlag struct {
	file     string
	settings []string // key=value
}

// pluginFlags reads the two flags in the order in which they were written.
func (s *syncCmd) pluginFlags(written *kong.Context) (all []pluginFlag, err error) {
	set := 0
	for _, p := range written.Path {
		switch {
		case p.Flag == nil || p.Resolved:
		case p.Flag.Name == "plugin":
			all = append(all, pluginFlag{file: s.Plugin[len(all)]})
		case p.Flag.Name == "set" && len(all) == 0:
			return nil, usageError{fmt.Errorf("--set %s: belongs to no rule: write it behind its --plugin", s.Set[set])}
		case p.Flag.Name == "set":
			last := &all[len(all)-1]
			last.settings = append(last.settings, s.Set[set])
			set++
		}
	}
	return all, nil
}

// rules makes the rules that the flags name, of which the first that cannot be
// made is the error. Close frees what they hold; without rules the chain is nil.
func rules(ctx context.Context, cfg *config.Config, flags []pluginFlag) (chain *plugins.Chain, closing func(), err error) {
	if len(flags) == 0 {
		return nil, func() {}, nil
	}
	host, err := plugins.New(ctx, plugins.Options{Interpreter: cfg.PluginEngine == "interpreter"})
	if err != nil {
		return nil, nil, err
	}
	closing = func() { _ = host.Close(context.WithoutCancel(ctx)) }
	var specs []plugins.Spec
	for _, f := range flags {
		spec, err := specOf(ctx, host, f)
		if err != nil {
			closing()
			return nil, nil, misused(f.file, err)
		}
		specs = append(specs, spec)
	}
	chain, err = host.Chain(ctx, localUser, field.Mailbox{}, specs)
	if err != nil {
		closing()
	}
	if bad, ok := errors.AsType[*plugins.SpecError](err); ok {
		return nil, nil, misused(bad.Name, bad.Err)
	}
	return chain, closing, err
}

// specOf reads the module and brings the settings into the types that it says
// they have.
func specOf(ctx context.Context, host *plugins.Host, f pluginFlag) (s plugins.Spec, err error) {
	s.Name = f.file
	if s.Wasm, err = readModule(f.file); err != nil {
		return s, err
	}
	p, err := host.Load(ctx, s.Wasm)
	if err != nil {
		return s, err
	}
	s.Settings, err = p.Manifest.FromText(f.settings)
	return s, err
}

// readModule gives the module of a rule that comes with the program, or reads
// one, and no more of a file than any may have.
func readModule(path string) ([]byte, error) {
	if r, ok := shipped.Named(path); ok {
		return r.Wasm, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, gate.MaxModule+1))
}

// misused is a mistake in a --plugin or its --set: one line, whatever is wrong.
func misused(file string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	return usageError{fmt.Errorf("--plugin %s: %s", file, text)}
}
