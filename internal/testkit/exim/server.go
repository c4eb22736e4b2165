// Package exim runs a real Exim for a test: SMTP with STARTTLS and SMTPS, each
// on a free port of the loopback interface, with a certificate of a testkit.CA.
// It takes mail for everybody from who logs in (AUTH PLAIN and LOGIN, inside TLS
// only), but for the local part "nobody", and keeps what it took as files.
package exim

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// User and Password that it lets in.
const (
	User     = "notices"
	Password = "sesame/for@notices"
)

// Host is where it listens; the certificate is for it and for "localhost".
const Host = "127.0.0.1"

// Server is one running Exim.
type Server struct {
	SMTP, SMTPS int // ports; SMTP wants STARTTLS before it lets anybody in
	CA          *testkit.CA

	dir   string
	pid   int
	ended chan struct{}
	stop  sync.Once
}

const install = "on Debian: apt-get install exim4-daemon-light"

// Start runs a server until the test ends. Without Exim the test is skipped, or
// fails where CI is set.
func Start(tb testkit.TB) *Server {
	tb.Helper()
	binary, err := find()
	testkit.Require(tb, "exim", err == nil, install)
	dir, err := os.MkdirTemp("", "exim") // not tb.TempDir: that is closed to Exim's user
	if err != nil {
		tb.Fatalf("exim: %v", err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	for try := 1; ; try++ { // somebody may take a free port before Exim does
		s, err := launch(binary, dir)
		if err == nil {
			tb.Cleanup(s.Stop)
			return s
		}
		if try == 3 {
			tb.Fatalf("exim: %v", err)
		}
	}
}

func find() (string, error) {
	for _, name := range []string{"exim4", "/usr/sbin/exim4"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("exim4")
}

// owner is the account that Exim works under: its own where it is started by
// root, who may own no mail.
func owner() (name string, uid, gid int, err error) {
	u, err := user.Current()
	if err == nil && u.Uid == "0" {
		u, err = user.Lookup("Debian-exim")
	}
	if err != nil {
		return "", 0, 0, err
	}
	uid, _ = strconv.Atoi(u.Uid)
	gid, _ = strconv.Atoi(u.Gid)
	return u.Username, uid, gid, nil
}

const configuration = `
primary_hostname = mail.test
exim_user = %[2]s
exim_group = %[5]d
spool_directory = %[1]s/spool
log_file_path = %[1]s/log-%%s
pid_file_path = %[1]s/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[3]d : %[4]d
tls_on_connect_ports = %[4]d
tls_advertise_hosts = *
tls_certificate = %[1]s/cert.pem
tls_privatekey = %[1]s/key.pem
auth_advertise_hosts = ${if eq {$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = rcpt
host_lookup =
rfc1413_query_timeout = 0s
deliver_drop_privilege = true
keep_environment =

begin acl
rcpt:
  deny    !authenticated = *
          message = authentication required
  deny    local_parts = nobody
          message = 550 5.1.1 no such user here
  defer   local_parts = later
          message = come back later
  accept

begin routers
all:
  driver = accept
  transport = file

begin transports
file:
  driver = appendfile
  directory = %[1]s/mail
  maildir_format
  user = %[2]s
  group = %[5]d

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{%[6]s}}{eq{$auth3}{%[7]s}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{%[6]s}}{eq{$auth2}{%[7]s}}}}
  server_set_id = $auth1
`

func launch(binary, dir string) (*Server, error) {
	s := &Server{CA: testkit.NewCA(), dir: dir, ended: make(chan struct{})}
	name, uid, gid, err := owner()
	if err != nil {
		return nil, err
	}
	ports, err := testkit.Ports(2)
	if err != nil {
		return nil, err
	}
	s.SMTP, s.SMTPS = ports[0], ports[1]
	cert, key := testkit.PairPEM(s.CA.Server(Host, "localhost"))
	text := fmt.Sprintf(configuration, dir, name, s.SMTP, s.SMTPS, gid, User, Password)
	for file, content := range map[string][]byte{"exim.conf": []byte(text), "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o640); err != nil {
			return nil, err
		}
	}
	for _, sub := range []string{"spool", "mail"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o750); err != nil {
			return nil, err
		}
	}
	if os.Geteuid() == 0 {
		err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || filepath.Base(path) == "exim.conf" { // which only root may own
				return err
			}
			return os.Chown(path, uid, gid)
		})
		if err != nil {
			return nil, err
		}
	}
	if err := s.run(binary); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%w; it logged: %s", err, s.Log())
	}
	return s, nil
}

// run starts the process on a thread that lives as long as it does, because the
// kernel ends the process with the thread that started it.
func (s *Server) run(binary string) error {
	cmd := exec.Command(binary, "-bdf", "-C", filepath.Join(s.dir, "exim.conf"))
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

func (s *Server) ready() error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(Host, strconv.Itoa(s.SMTPS)), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return errors.New("the server ended at once")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("the server does not listen")
		}
	}
}

// Stop ends the server and waits until it is gone. It may be called again.
func (s *Server) Stop() {
	s.stop.Do(func() {
		_ = syscall.Kill(s.pid, syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(s.pid, syscall.SIGKILL)
			<-s.ended
		}
	})
}

// Mails gives what was delivered, in the order of that.
func (s *Server) Mails() (out [][]byte, err error) {
	type file struct {
		at   time.Time
		text []byte
	}
	var files []file
	folder := filepath.Join(s.dir, "mail", "new")
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		info, e2 := e.Info()
		text, e3 := os.ReadFile(filepath.Join(folder, e.Name()))
		if err = errors.Join(err, e2, e3); err != nil {
			return nil, err
		}
		files = append(files, file{info.ModTime(), text})
	}
	slices.SortStableFunc(files, func(a, b file) int { return a.at.Compare(b.at) })
	for _, f := range files {
		out = append(out, f.text)
	}
	return out, err
}

// Log gives the end of what it logged.
func (s *Server) Log() string {
	var out strings.Builder
	for _, name := range []string{"log-main", "log-panic", "log-reject"} {
		b, _ := os.ReadFile(filepath.Join(s.dir, name))
		out.Write(b[max(0, len(b)-2000):])
	}
	return out.String()
}
