package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// Settings are variables of the product's environment, without their prefix.
type Settings map[string]string

// NoLimits are the quotas for what measures speed.
var NoLimits = Settings{
	"GMAIL_UNITS_PER_USER_MINUTE": "0", "GMAIL_UNITS_PER_PROJECT_MINUTE": "0",
	"GMAIL_UNITS_PER_PROJECT_DAY": "0", "GMAIL_BYTES_PER_USER_DAY": "0",
}

// ForScenarios are the settings that a scenario may make. The others decide
// where the product's load goes, and a scenario can come from anybody.
var ForScenarios = []string{
	"POLL_EVERY", "SESSIONS", "SOURCE_CONNECTIONS_PER_HOST", "SOURCE_LOGINS_PER_SECOND",
	"GMAIL_UNITS_PER_USER_MINUTE", "GMAIL_UNITS_PER_PROJECT_MINUTE", "GMAIL_UNITS_PER_PROJECT_DAY",
	"GMAIL_BYTES_PER_USER_DAY", "GMAIL_CONCURRENCY_PER_USER", "MEMORY_FOR_TRANSFERS", "DRAIN_TIMEOUT", "LOG_LEVEL",
}

// Serve is a running smtp-sync serve.
type Serve struct {
	PID     int
	Started time.Time
	Metrics string // address of the page
	Web     string // host and port of API and pages

	cmd    *exec.Cmd
	log    string
	exited chan struct{} // closed when the process is gone
	err    error
}

// Env is the environment of the product. gmail is the address that it reaches
// the double at; "": the double's own.
func (w *World) Env(gmail string, set ...Settings) []string {
	if gmail == "" {
		gmail = w.Double.URL
	}
	ports := map[int]bool{}
	for _, p := range w.Placed {
		for _, port := range p.Ports {
			ports[port] = true
		}
	}
	var list []string
	for port := range ports {
		list = append(list, strconv.Itoa(port))
	}
	slices.Sort(list)
	env := Settings{
		"DATABASE_URL":     "sqlite://" + w.Data(),
		"GOOGLE_CLIENT_ID": gmailtest.DefaultClientID, "GOOGLE_CLIENT_SECRET": gmailtest.DefaultClientSecret,
		"GOOGLE_ISSUER": gmail, "GMAIL_API_URL": gmail, "TLS_CA_FILE": w.Roots,
		"SOURCE_ALLOW_CIDRS": "127.0.0.0/8", "LISTEN": "127.0.0.1:0", "LOG_LEVEL": "warn", "LOG_FORMAT": "json",
	}
	if len(list) > 0 {
		env["SOURCE_PORTS"] = strings.Join(list, ",")
	}
	for _, s := range set {
		maps.Copy(env, s)
	}
	var out []string
	for _, v := range os.Environ() { // nothing of the surroundings configures what is measured
		if !strings.HasPrefix(v, "SMTPSYNC_") {
			out = append(out, v)
		}
	}
	for k, v := range env {
		if v != "" {
			out = append(out, "SMTPSYNC_"+k+"="+v)
		}
	}
	return out
}

// Serve starts the product and waits until its metrics answer.
func (w *World) Serve(ctx context.Context, gmail string, set ...Settings) (*Serve, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	web, err := freeAddr()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(w.Dir, "serve*.log")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &Serve{Metrics: "http://" + addr + "/metrics", Web: web, log: f.Name(), exited: make(chan struct{})}
	s.cmd = exec.Command(w.Product, "serve")
	s.cmd.Stdout, s.cmd.Stderr = f, f
	s.cmd.Dir = filepath.Dir(f.Name())
	s.cmd.Env = w.Env(gmail, append(set, Settings{"METRICS_LISTEN": addr, "LISTEN": web})...)
	s.Started = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.PID = s.cmd.Process.Pid
	go func() {
		s.err = s.cmd.Wait()
		close(s.exited)
	}()
	err = s.Until(ctx, 5*time.Minute, func(Metrics) bool { return true })
	if err != nil {
		s.Kill()
		return nil, fmt.Errorf("serve: %w\n%s", err, s.LogTail())
	}
	return s, nil
}

// Until looks at the metrics every 20 ms until ok, the end of the process, or
// the end of patience.
func (s *Serve) Until(ctx context.Context, patience time.Duration, ok func(Metrics) bool) error {
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		m, err := Scrape(ctx, s.Metrics)
		if err == nil && ok(m) {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the product ended: %w\n%s", cause(s.err), s.LogTail())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errors.New("it did not happen in time")
}

func cause(err error) error {
	if err == nil {
		return errors.New("without an error")
	}
	return err
}

// Scrape reads the product's metrics.
func (s *Serve) Scrape(ctx context.Context) (Metrics, error) {
	m, err := Scrape(ctx, s.Metrics)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, s.LogTail())
	}
	return m, err
}

// Kill ends the product as a power cut would.
func (s *Serve) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Stop asks the product to end and gives the time it took; beyond patience it
// is killed, and that is an error.
func (s *Serve) Stop(patience time.Duration) (time.Duration, error) {
	start := time.Now()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.Kill()
		return time.Since(start), fmt.Errorf("the product did not end within %s of SIGTERM\n%s", patience, s.LogTail())
	}
	if s.err != nil {
		return time.Since(start), fmt.Errorf("the product ended with %w\n%s", s.err, s.LogTail())
	}
	return time.Since(start), nil
}

// LogTail is the end of what the product logged.
func (s *Serve) LogTail() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	b = b[max(0, len(b)-4000):]
	return string(bytes.TrimSpace(b))
}

func freeAddr() (string, error) {
	ports, err := testkit.Ports(1)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])), nil
}
