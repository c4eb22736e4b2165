package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// stage is what one run needs beside the source: a Gmail double, and the
// delays between it all.
type stage struct {
	dir        string
	roots      string
	gmail      string // address of the double, through its delay
	direct     string // without
	sourceHost string
	sourcePort int
	token      string // refresh token
	access     string // access token
	processes  []*exec.Cmd
}

const gmailUser = "bench@gmail.example"

func (b *bench) stage(ctx context.Context, w dovecot.Way, network string) (s *stage, err error) {
	s = &stage{sourceHost: dovecot.Host, sourcePort: w.Port}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp(b.dir, "run"); err != nil {
		return nil, err
	}
	s.roots = filepath.Join(s.dir, "roots.pem")
	if err = b.source.CA.WriteFile(s.roots); err != nil {
		return nil, err
	}
	said, err := s.start(ctx, b.self, "double")
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Sscan(said, &s.direct, &s.token, &s.access); err != nil {
		return nil, fmt.Errorf("the double says %q: %w", said, err)
	}
	s.gmail = s.direct
	if network != "distant" {
		return s, nil
	}
	said, err = s.start(ctx, b.self, "delay", strings.TrimPrefix(s.direct, "http://"), "50ms")
	if err != nil {
		return nil, err
	}
	s.gmail = "http://" + said
	said, err = s.start(ctx, b.self, "delay", w.Addr(), "20ms")
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(said)
	if err != nil {
		return nil, err
	}
	s.sourceHost, s.sourcePort = host, atoi(port)
	return s, nil
}

// start runs this program in another role and gives the line it says first.
func (s *stage) start(ctx context.Context, self, role string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, self, append([]string{"-role", role}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	s.processes = append(s.processes, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s: %w", role, err)
	}
	return strings.TrimSpace(line), nil
}

// command prepares the program under test. All get the same settings.
func (s *stage) command(ctx context.Context, b *bench, w dovecot.Way, network, program string) *exec.Cmd {
	scheme := w.Protocol
	if !w.StartTLS {
		scheme += "s"
	}
	source := fmt.Sprintf("%s://%s@%s:%d", scheme, network, s.sourceHost, s.sourcePort)
	plain := fmt.Sprintf("%s:%s:%d", scheme, s.sourceHost, s.sourcePort)
	secret := filepath.Join(s.dir, "password")
	token := filepath.Join(s.dir, "token")
	_ = os.WriteFile(secret, []byte(password), 0o600)
	_ = os.WriteFile(token, []byte(s.token), 0o600)
	args := []string{
		"sync", "--json", "--parallel", strconv.Itoa(parallel), "--source", source,
		"--password-file", secret, "--google-refresh-token-file", token,
	}
	var cmd *exec.Cmd
	switch program {
	case whole:
		cmd = exec.CommandContext(ctx, b.product, args...)
	case bare:
		cmd = exec.CommandContext(ctx, b.self, "-role", "pipe", plain, network, s.access, s.gmail, "two")
	case one:
		cmd = exec.CommandContext(ctx, b.self, "-role", "pipe", plain, network, s.access, s.gmail, "one")
	}
	cmd.Env = append(os.Environ(),
		"SMTPSYNC_DATABASE_URL=sqlite://"+filepath.Join(s.dir, "data"),
		"SMTPSYNC_GOOGLE_CLIENT_ID="+gmailtest.DefaultClientID,
		"SMTPSYNC_GOOGLE_CLIENT_SECRET="+gmailtest.DefaultClientSecret,
		"SMTPSYNC_GOOGLE_ISSUER="+s.gmail,
		"SMTPSYNC_GMAIL_API_URL="+s.gmail,
		"SMTPSYNC_TLS_CA_FILE="+s.roots,
		"SMTPSYNC_SOURCE_ALLOW_CIDRS=127.0.0.0/8",
		"SMTPSYNC_SOURCE_PORTS="+strconv.Itoa(s.sourcePort),
		"SMTPSYNC_GMAIL_UNITS_PER_USER_MINUTE=0", "SMTPSYNC_GMAIL_UNITS_PER_PROJECT_MINUTE=0",
		"SMTPSYNC_GMAIL_UNITS_PER_PROJECT_DAY=0", "SMTPSYNC_GMAIL_BYTES_PER_USER_DAY=0",
	)
	return cmd
}

// parallel uploads in flight, in every program.
const parallel = 8

// arrived asks the double what it has.
func (s *stage) arrived(ctx context.Context) (count int, octets int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.direct+"/_double/messages?user="+gmailUser, nil)
	if err != nil {
		return 0, 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, 0, err
	}
	var stored []gmailtest.Stored
	if err := json.Unmarshal(body, &stored); err != nil {
		return 0, 0, fmt.Errorf("the double says %.80q: %w", body, err)
	}
	for _, m := range stored {
		octets += m.Size
	}
	return len(stored), octets, nil
}

func (s *stage) close() {
	for _, p := range s.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	_ = os.RemoveAll(s.dir)
}
