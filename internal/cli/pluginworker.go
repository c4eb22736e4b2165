package cli

import (
	"context"
	"os"

	"github.com/smtp-sync/smtp-sync/plugins"
)

// pluginWorkerCmd is the process in which the service runs what its users upload.
// The service starts it; nobody else has a use for it.
type pluginWorkerCmd struct {
	Interpreter bool `help:"Without machine code."`
}

// Run answers at the two pipes until the service is gone.
func (c *pluginWorkerCmd) Run(a *app) error {
	return plugins.Serve(context.WithoutCancel(a.ctx), a.stdin, a.stdout, plugins.Options{Interpreter: c.Interpreter})
}

// pluginWorker is the command that starts it.
func pluginWorker(interpreter bool) ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := []string{exe, "plugin-worker"}
	if interpreter {
		command = append(command, "--interpreter")
	}
	return command, nil
}
