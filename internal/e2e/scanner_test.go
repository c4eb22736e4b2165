package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// canaryBanner is what servers of another kind say; nobody may read it from us.
const canaryBanner = "SSH-2.0-canary4711"

// greet is a server of another kind. A config makes it speak TLS.
func greet(t *testing.T, config *tls.Config) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if config != nil {
		l = tls.NewListener(l, config)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(canaryBanner + "\r\n"))
			_ = c.Close()
		}
	}()
	return port
}

// TestTheConnectionTestIsNoPortScanner: what is open, closed, of another kind or
// inside a network looks alike: one of four codes, nothing that a server said,
// and never sooner than the floor.
func TestTheConnectionTestIsNoPortScanner(t *testing.T) {
	t.Parallel()
	ca := testkit.NewCA()
	s := open(t, gmailtest.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	ports := map[string]int{"closed": closed, "another protocol": greet(t, nil), "another protocol in TLS": greet(t, ca.ServerConfig("127.0.0.1")),
		"a certificate of nobody": greet(t, &tls.Config{Certificates: []tls.Certificate{ca.SelfSigned("127.0.0.1")}})}
	for _, port := range ports {
		s.installation.at("imaps", "ann", password, port, ca)
	}
	s.env["SMTPSYNC_SOURCE_ALLOW_CIDRS"] = "127.0.0.1/32"
	s.start()
	v := visit(t, s)
	v.signIn(user)
	try := func(name, host string, port int, security string) {
		t.Helper()
		begun := time.Now()
		got := v.want(200, "POST", "/mailboxes/test", map[string]any{"protocol": "imap", "host": host, "port": port, "security": security, "username": "ann", "password": password})
		took := time.Since(begun)
		steps := got["steps"].([]any)
		last := steps[len(steps)-1].(map[string]any)
		if got["ok"] != false || !slices.Contains([]string{"unreachable", "timeout", "tls", "not_a_mail_server"}, last["code"].(string)) || last["detail"] == "" || last["help"] == "" {
			t.Errorf("%s: %v", name, got)
		}
		if took < time.Second {
			t.Errorf("%s: told after %v", name, took)
		}
		if text := fmt.Sprint(got); strings.Contains(text, "canary") {
			t.Errorf("%s: %s", name, text)
		}
	}
	for name, port := range ports {
		try(name, "127.0.0.1", port, "tls")
	}
	for _, name := range []string{"closed", "another protocol"} { // one that waits for TLS would be waited for
		try(name+", in clear", "127.0.0.1", ports[name], "starttls")
	}
	for _, inside := range []string{"127.0.0.2", "10.0.0.1", "169.254.169.254", "[fd00:ec2::254]"} {
		got := v.want(422, "POST", "/mailboxes/test", map[string]any{"protocol": "imap", "host": inside, "port": closed, "username": "ann", "password": password})
		if got["code"] != "host_not_public" {
			t.Errorf("%s: %v", inside, got)
		}
	}
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	if log := s.stderr.String(); strings.Contains(log, "canary") || strings.Contains(log, password) {
		t.Errorf("the log has what a server said, or a password:\n%s", log)
	}
}
