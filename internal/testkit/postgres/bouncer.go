package postgres

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// Bouncer is a running PgBouncer in transaction mode: a connection of the server
// is somebody else's after each transaction.
type Bouncer struct {
	Port   int // on the loopback
	dir    string
	binary string
	as     *syscall.Credential
	pid    int // 0: it does not run
	ended  chan struct{}
}

// Bounce runs a PgBouncer in front of the server until the test ends, with so many
// connections to it for each role and database. Without PgBouncer the test is
// skipped, or fails where CI is set.
func (s *Server) Bounce(tb testkit.TB, connections int) *Bouncer {
	tb.Helper()
	binary, err := findBouncer()
	testkit.Require(tb, "pgbouncer", err == nil, "on Debian: apt-get install pgbouncer")
	b, err := s.bounce(binary, connections)
	if err != nil {
		tb.Fatalf("pgbouncer: %v", err)
	}
	tb.Cleanup(b.Stop)
	return b
}

func findBouncer() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/pgbouncer" // not in the PATH of an ordinary user
	_, err := os.Stat(debian)
	return debian, err
}

func (s *Server) bounce(binary string, connections int) (*Bouncer, error) {
	ports, err := testkit.Ports(1)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgbouncer")
	if err != nil {
		return nil, err
	}
	b := &Bouncer{Port: ports[0], dir: dir, binary: binary, as: s.owner}
	// No parameter of a session is let through, as at the hosts that run it.
	config := fmt.Sprintf(`[databases]
* = host=%s port=%d

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = 200
server_reset_query =
`, s.Host, s.Port, b.Port, filepath.Join(dir, "users"), connections)
	users := fmt.Sprintf("%q \"\"\n%q \"\"\n", Owner, Service)
	err = errors.Join(os.WriteFile(filepath.Join(dir, "ini"), []byte(config), 0o644),
		os.WriteFile(filepath.Join(dir, "users"), []byte(users), 0o644), os.Chmod(dir, 0o755))
	if err == nil {
		err = b.Up()
	}
	if err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// Up runs it, again after Down.
func (b *Bouncer) Up() error {
	cmd := exec.Command(b.binary, "-q", filepath.Join(b.dir, "ini"))
	cmd.Dir, cmd.Env = b.dir, environment()
	attend(cmd, b.as)
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the kernel ends the process with this thread
		err := cmd.Start()
		if err == nil {
			b.pid, b.ended = cmd.Process.Pid, ended
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return b.ready()
}

func (b *Bouncer) ready() error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(b.Port)), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-b.ended:
			return errors.New("it ended at once")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// Down ends it and waits until it is gone: nobody reaches the database through it.
func (b *Bouncer) Down() {
	if b.pid == 0 {
		return
	}
	_ = syscall.Kill(b.pid, syscall.SIGTERM)
	select {
	case <-b.ended:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(b.pid, syscall.SIGKILL)
		<-b.ended
	}
	b.pid = 0
}

// Stop ends it and removes its files. It may be called again.
func (b *Bouncer) Stop() {
	b.Down()
	_ = os.RemoveAll(b.dir)
}
