package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

const password = "bench"

// parallel uploads in flight, in every program.
const parallel = 8

// way leads to a mailbox.
type way struct {
	name, scheme string // "POP3S", "pop3s"
	host         string
	port         int
	user         string // "": the network's
}

func wayOf(w dovecot.Way) way {
	scheme := w.Protocol
	if !w.StartTLS {
		scheme += "s"
	}
	return way{name: w.Name, scheme: scheme, host: dovecot.Host, port: w.Port}
}

// stage is what one run needs beside the source: a Gmail account, and the
// delays between it all.
type stage struct {
	*comparison
	dir      string
	double   world.Double
	gmail    string // its address, through its delay
	way      way
	email    string
	tokens   world.Tokens
	children []*world.Child
}

func (c *comparison) stage(ctx context.Context, w way, network string) (*stage, error) {
	s := &stage{comparison: c, way: w}
	if err := s.prepare(ctx, network); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) prepare(ctx context.Context, network string) (err error) {
	if s.dir, err = os.MkdirTemp(s.world.Dir, "run"); err != nil {
		return err
	}
	if s.way.user == "" {
		s.way.user = network
	}
	s.double = world.Double{URL: s.target.gmail}
	if s.double.URL == "" {
		if s.double.URL, err = s.start(ctx, "double"); err != nil {
			return err
		}
	}
	s.email = filepath.Base(s.dir) + "@gmail.example"
	if s.tokens, err = s.double.User(ctx, s.email); err != nil {
		return err
	}
	s.gmail = s.double.URL
	if network != "distant" {
		return nil
	}
	said, err := s.start(ctx, "delay", strings.TrimPrefix(s.double.URL, "http://"), "50ms", "0")
	if err != nil {
		return err
	}
	s.gmail = "http://" + said
	if said, err = s.start(ctx, "delay", net.JoinHostPort(s.way.host, strconv.Itoa(s.way.port)), "20ms", "0"); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(said)
	if err != nil {
		return err
	}
	s.way.host = host
	s.way.port, err = strconv.Atoi(port)
	return err
}

// start runs this program in another role and gives the line it says first.
func (s *stage) start(ctx context.Context, role string, args ...string) (string, error) {
	c, err := world.StartChild(ctx, s.world.Self, role, nil, args...)
	if err != nil {
		return "", err
	}
	s.children = append(s.children, c)
	return c.Said, nil
}

// command prepares a program. All get the same settings.
func (s *stage) command(ctx context.Context, program string) (*exec.Cmd, error) {
	secret, token := s.target.passwordFile, filepath.Join(s.dir, "token")
	if secret == "" {
		secret = filepath.Join(s.dir, "password")
		if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(token, []byte(s.tokens.Refresh), 0o600); err != nil {
		return nil, err
	}
	at := net.JoinHostPort(s.way.host, strconv.Itoa(s.way.port))
	var cmd *exec.Cmd
	switch program {
	case whole:
		cmd = exec.CommandContext(ctx, s.world.Product, "sync", "--json", "--parallel", strconv.Itoa(parallel),
			"--source", fmt.Sprintf("%s://%s@%s", s.way.scheme, s.way.user, at),
			"--password-file", secret, "--google-refresh-token-file", token)
		if s.Rules {
			cmd.Args = append(cmd.Args, ruleFlags...)
		}
	case bare:
		cmd = exec.CommandContext(ctx, s.world.Self, "-role", "pipe", s.way.scheme+":"+at, s.way.user, secret, s.tokens.Access, s.gmail, "two")
	case one:
		cmd = exec.CommandContext(ctx, s.world.Self, "-role", "pipe", s.way.scheme+":"+at, s.way.user, secret, s.tokens.Access, s.gmail, "one")
	}
	cmd.Env = s.world.Env(s.gmail, world.NoLimits, world.Settings{
		"DATABASE_URL": "sqlite://" + filepath.Join(s.dir, "data"),
		"SOURCE_PORTS": strconv.Itoa(s.way.port),
	})
	return cmd, nil
}

// ruleFlags are the five rules on the command line.
var ruleFlags = []string{
	"--plugin", "label-by-list-id", "--set", "under=Lists",
	"--plugin", "label-by-domain", "--set", "domains=example.org,example.net", "--set", "label=Examples",
	"--plugin", "mark-important-from", "--set", "domains=example.com",
	"--plugin", "mark-read-notifications",
	"--plugin", "subject-regex", "--set", "pattern=(?i)^\\[[a-z-]+\\]", "--set", "action=star",
}

func (s *stage) close() {
	for _, c := range s.children {
		c.Stop()
	}
	_ = os.RemoveAll(s.dir)
}
