// Package dovecot runs a real Dovecot for a test, the bench or the demo: POP3
// with STLS, POP3S, IMAP with STARTTLS and IMAPS, each on a free port of the
// loopback interface, with a certificate of a testkit.CA.
//
// It is an ordinary process in the foreground with everything it writes in one
// folder, works as root and as anybody else, and takes its own children along
// when it ends. Mail is delivered by writing Maildir files, past the server:
// what it makes of them is what a client sees (it sends bare LF as CRLF).
//
// Logins are plain text inside TLS only. Dovecot 2.3 knows no such rule where
// both ends of a connection have the same address; that is why Host is
// 127.0.0.2 on Linux, whose kernel connects to it from 127.0.0.1. It listens
// on 127.0.0.1 as well, without that rule, for whoever says "localhost". The delays with which Dovecot slows
// down guessing are off; limits are those of a server with many connections.
package dovecot

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// Server is one running Dovecot.
type Server struct {
	Host                     string // to connect to; the certificate is for it, 127.0.0.1 and "localhost"
	POP3, POP3S, IMAP, IMAPS int    // ports; POP3 and IMAP want STLS and STARTTLS
	CA                       *testkit.CA

	dir    string
	tokens Tokens
	mail   owner
	pid    int
	ended  chan struct{} // closed when the process is gone
	stop   sync.Once

	mu        sync.Mutex // guards users and delivered
	delivered int
}

// Way is one of the four ways to reach a mailbox.
type Way struct {
	Name     string // "POP3S", "POP3+STLS", "IMAPS", "IMAP+STARTTLS"
	Protocol string // "pop3" or "imap"
	Port     int
	StartTLS bool
}

// Addr is host:port.
func (w Way) Addr() string { return net.JoinHostPort(Host, strconv.Itoa(w.Port)) }

// Ways gives all four.
func (s *Server) Ways() []Way {
	return []Way{
		{"POP3S", "pop3", s.POP3S, false}, {"POP3+STLS", "pop3", s.POP3, true},
		{"IMAPS", "imap", s.IMAPS, false}, {"IMAP+STARTTLS", "imap", s.IMAP, true},
	}
}

const install = "on Debian: apt-get install dovecot-pop3d dovecot-imapd (version 2.3)"

// Start runs a server until the test ends. Without Dovecot the test is
// skipped, or fails where CI is set.
func Start(tb testkit.TB) *Server {
	tb.Helper()
	return StartTokens(tb, Tokens{})
}

// Tokens are access tokens in place of passwords (Dovecot's passdb oauth2).
type Tokens struct {
	Mechanisms string // "xoauth2 oauthbearer"; "": none are taken
	Info       string // an address that says {"email": user} of the token that is appended to it
}

// StartTokens is Start of a server that takes access tokens as well.
func StartTokens(tb testkit.TB, tokens Tokens) *Server {
	tb.Helper()
	_, err := find()
	what := "dovecot"
	if err != nil {
		what = err.Error()
	}
	testkit.Require(tb, what, err == nil, install)
	dir, err := os.MkdirTemp("", "dovecot") // not tb.TempDir: that is closed to Dovecot's users, and long
	if err != nil {
		tb.Fatalf("dovecot: %v", err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := startIn(dir, tokens)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(s.Stop)
	return s
}

// Launch runs a server with its files in dir, which must exist and be short
// (Unix sockets lie in it). As root, dir is opened to Dovecot's own users; the
// folders above it must be open already. The caller calls Stop.
func Launch(dir string) (*Server, error) { return startIn(dir, Tokens{}) }

func startIn(dir string, tokens Tokens) (*Server, error) {
	binary, err := find()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, install)
	}
	for try := 1; ; try++ { // somebody may take a free port before Dovecot does
		s, err := launch(binary, dir, tokens)
		if err == nil || try == 3 {
			return s, err
		}
	}
}

func launch(binary, dir string, tokens Tokens) (*Server, error) {
	s := &Server{Host: Host, CA: testkit.NewCA(), dir: dir, tokens: tokens, ended: make(chan struct{})}
	if err := s.configure(); err != nil {
		return nil, fmt.Errorf("dovecot: %w", err)
	}
	if err := s.run(binary); err != nil {
		return nil, fmt.Errorf("dovecot: %w", err)
	}
	if err := s.ready(); err != nil {
		s.Stop()
		return nil, fmt.Errorf("dovecot: %w; it logged: %s", err, s.logTail())
	}
	return s, nil
}

// run starts the process on a thread that lives as long as it does, because
// the kernel ends the process with the thread that started it (dieWithParent).
func (s *Server) run(binary string) error {
	cmd := exec.Command(binary, "-F", "-c", s.path("dovecot.conf"))
	cmd.Dir = s.dir
	dieWithParent(cmd)
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

// ready waits until every port greets or has a listener.
func (s *Server) ready() error {
	deadline := time.Now().Add(30 * time.Second)
	for _, w := range s.Ways() {
		for {
			conn, err := net.DialTimeout("tcp", w.Addr(), time.Second)
			if err == nil {
				_ = conn.Close()
				break
			}
			select {
			case <-s.ended:
				return errors.New("the server ended at once")
			case <-time.After(20 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("no answer on the port for %s", w.Name)
			}
		}
	}
	return nil
}

// Stop ends the server and waits until it is gone. It may be called again.
func (s *Server) Stop() {
	s.stop.Do(func() {
		_ = syscall.Kill(s.pid, syscall.SIGTERM) // gone already is fine
		select {
		case <-s.ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(s.pid, syscall.SIGKILL)
			<-s.ended
		}
	})
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) logTail() string {
	b, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// find gives the binary, if it is of the version whose configuration this
// package writes and speaks both protocols.
var find = sync.OnceValues(func() (string, error) {
	path, err := exec.LookPath("dovecot")
	if err != nil {
		path = "/usr/sbin/dovecot" // not in the PATH of an ordinary user
	}
	version, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", errors.New("dovecot")
	}
	if v := strings.TrimSpace(string(version)); !strings.HasPrefix(v, "2.3.") {
		return "", fmt.Errorf("dovecot 2.3 (found %.20s, which reads another configuration)", v)
	}
	for _, protocol := range []string{"imap", "pop3"} {
		if _, err := os.Stat("/usr/lib/dovecot/" + protocol); err != nil {
			return "", fmt.Errorf("the %s part of dovecot", protocol)
		}
	}
	return path, nil
})
