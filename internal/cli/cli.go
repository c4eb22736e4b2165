package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/smtp-sync/smtp-sync/internal/config"
)

// commands is the command line; its tags are its documentation.
type commands struct {
	Config string `help:"File with the configuration, KEY=VALUE a line; the environment wins." placeholder:"FILE"`

	Serve        serveCmd        `cmd:"" help:"The service: pages, API and the engine over every mailbox in the store, until SIGTERM."`
	Sync         syncCmd         `cmd:"" help:"One pass over one mailbox, then exit: for cron, for trying it out, for measuring."`
	Login        loginCmd        `cmd:"" help:"Google consent in a browser, for sync; the grant is stored encrypted."`
	Demo         demoCmd         `cmd:"" help:"The whole service on this machine, nothing to configure: sample mail servers, a Gmail double, a sign-in page."`
	Migrate      migrateCmd      `cmd:"" help:"Bring the store to this release; Postgres as the role of SMTPSYNC_DATABASE_ADMIN_URL."`
	Doctor       doctorCmd       `cmd:"" help:"Check configuration, database, key, Google and clock, one line each."`
	Keys         keysCmd         `cmd:"" help:"Master keys."`
	Plugin       pluginCmd       `cmd:"" help:"For authors of rules: new, pack, check, test, bench."`
	PluginWorker pluginWorkerCmd `cmd:"" hidden:"" help:"Runs uploaded rules for serve, which starts it."`
	Healthcheck  healthcheckCmd  `cmd:"" help:"Exit 0 if the service on this machine is ready, for container health checks."`
	Version      versionCmd      `cmd:"" help:"Version, commit, Go version."`
}

// app is what every command gets.
type app struct {
	ctx    context.Context
	env    []string
	file   string // of --config
	stdin  *os.File
	stdout io.Writer
	stderr io.Writer
	unsaid error // standard output could not be written
}

// errInterrupted and errTerminated are the causes that signals give.
var (
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("stopped by SIGTERM: run it again to go on where it was")
)

// Main runs the program and gives its exit code.
func Main(args, env []string, stdin *os.File, stdout, stderr io.Writer) int {
	ctx, stop := signals()
	defer stop()
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("smtp-sync"),
		kong.Description("Brings mail from POP3 and IMAP mailboxes into Gmail, exactly once, and stores none of it."),
		kong.UsageOnError(), kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { exited = code; panic(exited) }),
	)
	if err != nil {
		panic("cli: " + err.Error())
	}
	parsed, err := parse(parser, args, &exited)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		return fail(stderr, usageError{err})
	}
	a := &app{ctx: ctx, env: env, file: c.Config, stdin: stdin, stdout: stdout, stderr: stderr}
	err = parsed.Run(a)
	if err == nil {
		err = a.unsaid
	}
	return fail(stderr, err)
}

// parse lets --help end the parsing without ending the process.
func parse(p *kong.Kong, args []string, exited *int) (c *kong.Context, err error) {
	defer func() {
		if v := recover(); v != nil && *exited < 0 {
			panic(v)
		}
	}()
	return p.Parse(args)
}

// signals makes a context that ends with SIGINT or SIGTERM, with the cause
// that decides the exit code. A second signal ends the process at once.
func signals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signal.Ignore(syscall.SIGPIPE) // it is an error of the write
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		for first := true; ; first = false {
			s, ok := <-c
			switch {
			case !ok:
				return
			case !first:
				os.Exit(130)
			case s == os.Interrupt:
				cancel(errInterrupted)
			default:
				cancel(errTerminated)
			}
		}
	}()
	return ctx, func() { signal.Stop(c); close(c); cancel(nil) }
}

// config loads and checks the configuration for a command.
func (a *app) config(command string) (*config.Config, error) {
	cfg, err := config.Load(a.env, a.file)
	if err != nil {
		return nil, err
	}
	return cfg, cfg.Require(command)
}

// printf writes to standard output. The first failure is kept: a key or a
// report that went nowhere is not done.
func (a *app) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(a.stdout, format, args...); err != nil && a.unsaid == nil {
		a.unsaid = fmt.Errorf("standard output: %w", err)
	}
}
