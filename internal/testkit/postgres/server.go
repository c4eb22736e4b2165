// Package postgres runs a real Postgres for tests and the bench: one server for
// a test binary, on a free port of the loopback interface and a socket in a
// folder of its own, with databases as an operator would make them: the owner
// role, which migrates, and the service role, which owns nothing.
//
// Debian's postgresql is enough; its own cluster is not touched and need not
// run. Postgres does not work as root: started by root, the server runs as the
// user "postgres" or, without one, "nobody".
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// Roles of every database: superuser, owner of the tables, and the service.
const (
	Super   = "super"
	Owner   = "smtpsync_owner"
	Service = "smtpsync"
)

// Server is one running Postgres.
type Server struct {
	Host   string // of the loopback
	Port   int
	Socket string // the folder of its socket

	dir       string
	bin       string
	owner     *syscall.Credential // nil: as we are
	pid       int
	ended     chan struct{} // closed when the process is gone
	stop      sync.Once
	databases atomic.Int64
}

const install = "on Debian: apt-get install postgresql"

var (
	shared  *Server
	failed  error
	sharing sync.Once
)

// Shared gives the server of this test binary, which Main stops. Without
// Postgres the test is skipped, or fails where CI is set.
func Shared(tb testkit.TB) *Server {
	tb.Helper()
	_, err := find()
	testkit.Require(tb, "postgres", err == nil, install)
	sharing.Do(func() { shared, failed = Launch(Options{}) })
	if failed != nil {
		tb.Fatalf("%v", failed)
	}
	return shared
}

// Main runs the tests of a binary and then stops the server that they shared.
// TestMain gives its result to os.Exit.
func Main(m interface{ Run() int }) int {
	code := m.Run()
	if shared != nil {
		shared.Stop()
	}
	return code
}

// Options of a server.
type Options struct {
	// Durable waits for the disk as a real one does. Tests that kill processes,
	// not machines, do not need it.
	Durable bool
	// Settings are lines for postgresql.conf.
	Settings []string
}

// Launch runs a server. The caller calls Stop.
func Launch(o Options) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, install)
	}
	for try := 1; ; try++ { // somebody may take a free port before Postgres does
		s, err := launch(bin, o)
		if err == nil || try == 3 {
			return s, err
		}
	}
}

func launch(bin string, o Options) (s *Server, err error) {
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return nil, err
	}
	s = &Server{Host: "127.0.0.1", Socket: dir, dir: dir, bin: bin, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			s.Stop()
			err = fmt.Errorf("postgres: %w; it logged: %s", err, s.logTail())
			_ = os.RemoveAll(dir)
		}
	}()
	if s.owner, err = unprivileged(); err != nil {
		return s, err
	}
	if s.owner != nil {
		if err := os.Chown(dir, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			return s, err
		}
	}
	ports, err := testkit.Ports(1)
	if err != nil {
		return s, err
	}
	s.Port = ports[0]
	if err := s.command("initdb", "-D", s.path("data"), "-U", Super, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return s, err
	}
	if err := s.configure(o); err != nil {
		return s, err
	}
	if err := s.run(); err != nil {
		return s, err
	}
	if err := s.ready(); err != nil {
		return s, err
	}
	return s, s.SQL("postgres",
		"CREATE ROLE "+Owner+" LOGIN NOSUPERUSER NOBYPASSRLS", "CREATE ROLE "+Service+" LOGIN NOSUPERUSER NOBYPASSRLS")
}

func (s *Server) configure(o Options) error {
	lines := []string{
		"listen_addresses = '127.0.0.1'", "port = " + strconv.Itoa(s.Port),
		"unix_socket_directories = '" + s.Socket + "'", "max_connections = 300",
		"shared_buffers = 64MB", "autovacuum_naptime = 10s", "log_min_messages = warning",
		// What a statement held does not belong into a log.
		"log_min_error_statement = panic", "log_error_verbosity = terse",
	}
	if !o.Durable {
		lines = append(lines, "fsync = off", "synchronous_commit = off", "full_page_writes = off")
	}
	f, err := os.OpenFile(s.path("data/postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(append(lines, o.Settings...), "\n") + "\n")
	return errors.Join(err, f.Close())
}

// command runs one of Postgres' programs to its end.
func (s *Server) command(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.Env = s.dir, environment()
	attend(cmd, s.owner)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out[max(0, len(out)-1000):])
	}
	return nil
}

func environment() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"} }

// run starts the process on a thread that lives as long as it does, because
// the kernel ends the process with the thread that started it (attend).
func (s *Server) run() error {
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.path("data"))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, environment(), log, log
	attend(cmd, s.owner)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			s.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(s.ended)
		}
	}()
	return <-started
}

// ready waits until the server takes connections.
func (s *Server) ready() error {
	deadline := time.Now().Add(60 * time.Second)
	for {
		if err := s.SQL("postgres", "SELECT 1"); err == nil {
			return nil
		} else if time.Now().After(deadline) {
			return err
		}
		select {
		case <-s.ended:
			return errors.New("the server ended at once")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// SQL runs statements as the superuser, one transaction each, in one session.
func (s *Server) SQL(database string, statements ...string) error {
	args := []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", s.Socket, "-p", strconv.Itoa(s.Port), "-U", Super, "-d", database}
	for _, text := range statements {
		args = append(args, "-c", text)
	}
	return s.command("psql", args...)
}

// Stop ends the server, waits until it is gone and removes its files. It may be
// called again.
func (s *Server) Stop() {
	s.stop.Do(func() {
		if s.pid == 0 {
			return
		}
		_ = syscall.Kill(s.pid, syscall.SIGINT) // the fast shutdown; gone already is fine
		select {
		case <-s.ended:
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(s.pid, syscall.SIGKILL)
			<-s.ended
		}
		_ = os.RemoveAll(s.dir)
	})
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// Data is the folder of the server's files.
func (s *Server) Data() string { return s.path("data") }

func (s *Server) logTail() string {
	b, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// Database is one of a server's, which belongs to Owner.
type Database struct {
	Server *Server
	Name   string
}

// Create makes a database, as a copy of another if template is not empty.
func (s *Server) Create(template string) (*Database, error) {
	d := &Database{Server: s, Name: "t" + strconv.FormatInt(s.databases.Add(1), 10)}
	text := "CREATE DATABASE " + d.Name + " OWNER " + Owner
	if template != "" {
		text += " TEMPLATE " + template
	}
	return d, s.SQL("postgres", text)
}

// Drop removes the database and ends whatever is connected to it.
func (d *Database) Drop() {
	_ = d.Server.SQL("postgres", "DROP DATABASE IF EXISTS "+d.Name+" WITH (FORCE)")
}

// URL is for a role, over the loopback.
func (d *Database) URL(role string) string { return d.At(role, d.Server.Host, d.Server.Port) }

// At is the URL of the database behind something in between, as a proxy.
func (d *Database) At(role, host string, port int) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Host: net.JoinHostPort(host, strconv.Itoa(port)), Path: d.Name}
	return u.String()
}

// SocketURL is for a role, over the socket.
func (d *Database) SocketURL(role string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + d.Name,
		RawQuery: url.Values{"host": {d.Server.Socket}, "port": {strconv.Itoa(d.Server.Port)}}.Encode()}
	return u.String()
}

// unprivileged gives whom root's server runs as.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
	}
	return nil, errors.New("there is no user whom the server could run as")
}

// find gives the folder of Postgres' programs: the newest of Debian's, or what
// pg_config says.
var find = sync.OnceValues(func() (string, error) {
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	slices.SortFunc(all, func(a, b string) int { return version(b) - version(a) })
	for _, path := range all {
		return filepath.Dir(path), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if dir := strings.TrimSpace(string(out)); err == nil {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("postgres")
})

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}
