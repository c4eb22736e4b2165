package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	accounts "github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/vault/pgshelf"
)

// service is an installation whose mailboxes are in its store, and `serve`.
type service struct {
	*installation
	pages, figures string // addresses
	user           id.User

	cmd    *exec.Cmd
	stderr *logged
	ended  chan error
}

// logged collects what a process says.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serving makes a service with a connected Gmail account and no mailbox yet.
func serving(t testing.TB, o gmailtest.Options, env ...string) *service {
	t.Helper()
	s := &service{installation: install(t, o), pages: free(t), figures: free(t)}
	s.env["SMTPSYNC_LISTEN"], s.env["SMTPSYNC_METRICS_LISTEN"] = s.pages, s.figures
	s.env["SMTPSYNC_POLL_EVERY"] = "1s"
	s.env["SMTPSYNC_SOURCE_LOGINS_PER_SECOND"] = "0"
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		s.env[name] = value
	}
	s.inStore(func(st *sqlite.Store) {
		u, err := st.EnsureUser(t.Context(), "google|1")
		if err != nil {
			t.Fatal(err)
		}
		s.user = u.ID
		token, err := os.ReadFile(s.token)
		if err != nil {
			t.Fatal(err)
		}
		err = st.PutGrant(t.Context(), u.ID, accounts.Grant{
			RefreshToken: vault.NewSecret(string(token)), Scopes: []string{gmailtest.ScopeInsert},
			Email: user, Sub: "1", GrantedAt: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	return s
}

// free gives a loopback address that nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	ports, err := testkit.Ports(1)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
}

// inStore opens the store while no process of the service has it.
func (s *service) inStore(f func(*sqlite.Store)) {
	s.t.Helper()
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		s.t.Fatal(err)
	}
	st, err := sqlite.Open(s.t.Context(), s.data, s.keys(), sqlite.Options{Exclusive: true})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	f(st)
}

// keys opens the key store, as another process beside the service.
func (s *service) keys() *vault.Store {
	s.t.Helper()
	masters, err := vault.LoadOrCreateFile(filepath.Join(s.data, "master.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	var shelf vault.Shelf
	if at := s.env["SMTPSYNC_KEYSTORE_URL"]; at != "" {
		var p *pgshelf.Shelf
		if p, err = pgshelf.Open(s.t.Context(), vault.NewSecret(at), pgshelf.Options{}); err == nil {
			s.t.Cleanup(p.Close)
			shelf = p
		}
	} else {
		shelf, err = vault.OpenDir(filepath.Join(s.data, "keys"))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return vault.NewStore(shelf, masters)
}

// add puts a mailbox into the store.
func (s *service) add(m accounts.Mailbox) (box id.Mailbox) {
	s.t.Helper()
	s.inStore(func(st *sqlite.Store) {
		made, err := st.EnsureMailbox(s.t.Context(), s.user, m)
		if err != nil {
			s.t.Fatal(err)
		}
		box = made.ID
	})
	return box
}

// state is what the store says of a mailbox, after the service has ended.
func (s *service) state(box id.Mailbox) (st schedule.State) {
	s.t.Helper()
	s.inStore(func(store *sqlite.Store) {
		var err error
		if st, err = store.Schedule(s.t.Context(), s.user, box); err != nil {
			s.t.Fatal(err)
		}
	})
	return st
}

// start starts `serve` and waits until it is ready.
func (s *service) start() {
	s.t.Helper()
	s.startAs("serve")
}

// startAs starts a command that serves, and waits until it is ready.
func (s *service) startAs(command string) {
	s.t.Helper()
	s.cmd = s.command(context.WithoutCancel(s.t.Context()), command)
	s.stderr = new(logged)
	s.cmd.Stderr = s.stderr
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan error, 1)
	s.ended = ended
	go func() { ended <- cmd.Wait(); close(ended) }()
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	s.until("ready", 20*time.Second, func() bool {
		res, err := http.Get("http://" + s.pages + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// until waits for something that a real process does.
func (s *service) until(what string, limit time.Duration, f func() bool) {
	s.t.Helper()
	for end := time.Now().Add(limit); !f(); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-s.ended:
			s.t.Fatalf("%s: serve has ended: %v\n%s", what, err, s.stderr)
		default:
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: not within %v\n%s", what, limit, s.stderr)
		}
	}
}

// arrived waits until Gmail has n messages.
func (s *service) arrived(n int, limit time.Duration) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d messages in Gmail", n), limit, func() bool { return total(s.gmail.Hashes(user)) >= n })
}

// stop ends serve with a signal and gives its exit code and how long it took.
func (s *service) stop(sig os.Signal) (code int, took time.Duration) {
	s.t.Helper()
	start := time.Now()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		s.t.Fatalf("serve has not ended a minute after %v\n%s", sig, s.stderr)
	}
	return s.cmd.ProcessState.ExitCode(), time.Since(start)
}

// figure reads one metric; labels are part of the name.
func (s *service) figure(name string) (v float64) {
	s.t.Helper()
	res, err := http.Get("http://" + s.figures + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(res.Body, 1<<20))
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), " "); ok && key == name {
			if _, err := fmt.Sscan(value, &v); err != nil {
				s.t.Fatal(err)
			}
			return v
		}
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}
