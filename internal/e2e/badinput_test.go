package e2e

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// popServer is a small server with mail in it, and the means to misbehave.
type popServer struct {
	*pop3d.Server
	drop *pop3d.Memory
	ca   *testkit.CA
	port int
}

// popWith starts a POP3S server with this certificate (zero: a good one).
func popWith(t testing.TB, cert func(*testkit.CA) tls.Certificate, raws ...[]byte) *popServer {
	t.Helper()
	ca := testkit.NewCA()
	config := ca.ServerConfig("127.0.0.1")
	if cert != nil {
		config = &tls.Config{Certificates: []tls.Certificate{cert(ca)}}
	}
	s := &popServer{drop: pop3d.NewMemory(raws...), ca: ca}
	s.Server = pop3d.New(pop3d.Options{TLS: config})
	s.AddUser("ann", password, s.drop)
	t.Cleanup(func() { _ = s.Close() })
	addr, err := s.ListenTLS()
	if err != nil {
		t.Fatal(err)
	}
	s.port, _ = strconv.Atoi(addr[strings.LastIndexByte(addr, ':')+1:])
	return s
}

func three() [][]byte { return [][]byte{testkit.Message(1), testkit.Message(2), testkit.Message(3)} }

// says fails unless the process ended with the code and one line that has the words.
func (r result) says(t testing.TB, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit %d, want %d\n%s", r.code, code, r.stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("%q is not said:\n%s", w, r.stderr)
		}
	}
	for line := range strings.Lines(r.stderr) {
		if strings.Contains(line, "goroutine ") || strings.Contains(line, password) {
			t.Errorf("stderr has what it must not: %s", line)
		}
	}
}

func TestEveryFaultIsOneLineWithItsRemedyAndAnExitCode(t *testing.T) {
	t.Parallel()
	type setting struct {
		in  *installation
		pop *popServer
		box account
	}
	for _, c := range []struct {
		name  string
		cert  func(*testkit.CA) tls.Certificate
		spoil func(*setting)
		args  []string
		code  int
		words []string
		count int // messages in Gmail afterwards
	}{
		{name: "wrong password", spoil: func(s *setting) { s.in.write(s.box.password, "wrong") }, code: 3, words: []string{"password"}},
		{name: "forbidden address", spoil: func(s *setting) { delete(s.in.env, "SMTPSYNC_SOURCE_ALLOW_CIDRS") }, code: 2, words: []string{"address"}},
		{name: "forbidden port", spoil: func(s *setting) { delete(s.in.env, "SMTPSYNC_SOURCE_PORTS") }, code: 2, words: []string{"port"}},
		{name: "unknown host", spoil: func(s *setting) {
			s.box.url = "pop3s://ann@no-such-host.invalid:" + strconv.Itoa(s.pop.port)
		}, code: 1, words: []string{"no-such-host.invalid"}},
		{name: "closed port", spoil: func(s *setting) { _ = s.pop.Close() }, code: 1, words: []string{"127.0.0.1"}},
		{name: "expired certificate", cert: func(ca *testkit.CA) tls.Certificate { return ca.Expired("127.0.0.1") }, code: 1, words: []string{"expired"}},
		{name: "self-signed certificate", cert: func(ca *testkit.CA) tls.Certificate { return ca.SelfSigned("127.0.0.1") }, code: 1, words: []string{"certificate"}},
		{name: "certificate for another name", cert: func(ca *testkit.CA) tls.Certificate { return ca.WrongName() }, code: 1, words: []string{"certificate"}},
		{name: "server without TLS", spoil: func(s *setting) {
			plain := pop3d.New(pop3d.Options{AllowPlain: true})
			plain.AddUser("ann", password, s.pop.drop)
			s.in.t.Cleanup(func() { _ = plain.Close() })
			addr, err := plain.Listen()
			if err != nil {
				s.in.t.Fatal(err)
			}
			s.box.url = "pop3://ann@" + addr
			s.in.env["SMTPSYNC_SOURCE_PORTS"] = addr[strings.LastIndexByte(addr, ':')+1:]
		}, code: 1, words: []string{"does not offer STARTTLS"}},
		{name: "password in the address", spoil: func(s *setting) { s.box.url = strings.Replace(s.box.url, "ann@", "ann:secret@", 1) }, code: 2, words: []string{"--password-file"}},
		{name: "roots that are no certificates", spoil: func(s *setting) { s.in.env["SMTPSYNC_TLS_CA_FILE"] = s.in.token }, code: 2, words: []string{"SMTPSYNC_TLS_CA_FILE"}},
		{name: "an endless password", spoil: func(s *setting) { s.box.password = "/dev/zero" }, code: 2, words: []string{"--password-file"}},
		{name: "one of Gmail's own labels", args: []string{"--label", "inbox"}, code: 2, words: []string{"--label"}},
		{name: "labels without the permission", spoil: func(s *setting) {
			s.in.write(s.in.token, s.in.gmail.RefreshToken(user, gmailtest.ScopeInsert))
		}, args: []string{"--label", "Old"}, code: 4, words: []string{"login --labels"}},
		{name: "labels of rules without the permission", spoil: func(s *setting) {
			s.in.write(s.in.token, s.in.gmail.RefreshToken(user, gmailtest.ScopeInsert))
		}, args: []string{"--plugin", "label-by-domain", "--set", "label=Old"}, code: 4, words: []string{"--plugin", "login --labels"}},
		{name: "a day before time", args: []string{"--since", "0000-01-01"}, code: 2, words: []string{"--since"}},
		{name: "unknown setting", spoil: func(s *setting) { s.in.env["SMTPSYNC_SORCE_PORTS"] = "1" }, code: 2, words: []string{"SMTPSYNC_SOURCE_PORTS"}},
		{name: "a rule that is not there", args: []string{"--plugin", "no-such.wasm"}, code: 2, words: []string{"--plugin no-such.wasm", "no such file"}},
		{name: "a rule that is no module", spoil: func(s *setting) {
			s.in.write(filepath.Join(filepath.Dir(s.in.data), "text.wasm"), "not a module\n")
		}, args: []string{"--plugin", "text.wasm"}, code: 2, words: []string{"--plugin text.wasm"}},
		{name: "a rule without what it needs", args: []string{"--plugin", "skip-domains"}, code: 2, words: []string{"--plugin skip-domains: config.domains: is missing"}},
		{name: "a setting that a rule has not", args: []string{"--plugin", "size-limit", "--set", "limit=1MB", "--set", "colour=red"}, code: 2, words: []string{"--plugin size-limit", "colour"}},
		{name: "a setting that makes no sense", args: []string{"--plugin", "subject-regex", "--set", "pattern=(", "--set", "action=skip"}, code: 2, words: []string{"--plugin subject-regex: config.pattern"}},
		{name: "a setting without a value", args: []string{"--plugin", "skip-domains", "--set", "domains"}, code: 2, words: []string{"key=value"}},
		{name: "a setting before its rule", args: []string{"--set", "domains=a.example", "--plugin", "skip-domains"}, code: 2, words: []string{"--set domains=a.example"}},
		{name: "POP3 has no folders", args: []string{"--folder", "Old"}, code: 2, words: []string{"--folder"}},
		{name: "POP3 has no seen flag", args: []string{"--after-import", "seen"}, code: 2, words: []string{"seen"}},
		{name: "no password file", spoil: func(s *setting) { _ = os.Remove(s.box.password) }, code: 2, words: []string{"--password-file"}},
		{name: "revoked grant", spoil: func(s *setting) { s.in.gmail.Revoke(user) }, code: 4, words: []string{"smtp-sync login"}},
		{name: "missing scope", spoil: func(s *setting) {
			s.in.write(s.in.token, s.in.gmail.RefreshToken(user, gmailtest.ScopeLabels))
		}, code: 4},
		{name: "unknown OAuth client", spoil: func(s *setting) { s.in.env["SMTPSYNC_GOOGLE_CLIENT_SECRET"] = "other" }, code: 2, words: []string{"client"}},
		{name: "Gmail says a time", spoil: func(s *setting) {
			s.in.gmail.Fault(func(r gmailtest.Request) (gmailtest.Fault, bool) {
				return gmailtest.Fault{Kind: gmailtest.Answer, Status: 429, Body: `{"error":{"code":429,"message":"User-rate limit exceeded.  Retry after ` +
					time.Now().Add(3*time.Hour).UTC().Format(time.RFC3339) + `","errors":[{"reason":"rateLimitExceeded"}]}}`}, r.At == gmailtest.Open
			})
		}, code: 1, words: []string{"come back at"}},
		{name: "out of budget", spoil: func(s *setting) {
			// Enough for the first message alone.
			s.in.env["SMTPSYNC_GMAIL_BYTES_PER_USER_DAY"] = strconv.Itoa(len(testkit.Message(1)) + 10)
		}, code: 1, words: []string{"budget", "come back at"}, count: 1},
		{name: "truncated RETR", spoil: func(s *setting) { s.pop.Misbehave(pop3d.Faults{CutRetr: 100}) }, code: 1, words: []string{"broke off the connection"}},
		{name: "one message cannot be had", spoil: func(s *setting) { s.pop.Misbehave(pop3d.Faults{RefuseRetr: map[int]bool{2: true}}) }, code: 1, words: []string{"message 2: failed"}, count: 2},
		{name: "a server that lies about sizes", spoil: func(s *setting) {
			s.pop.Misbehave(pop3d.Faults{List: func(n int, size int64) string { return strconv.Itoa(n) + " " + strconv.FormatInt(size*1000, 10) }})
		}, count: 3},
		{name: "access token refused once", spoil: func(s *setting) {
			s.in.gmail.Next(gmailtest.Fault{At: gmailtest.Open, Kind: gmailtest.Answer, Status: 401, Body: `{"error":{"code":401,"errors":[{"reason":"authError"}]}}`})
		}, count: 3},
		{name: "503 before, cut during and after the body", spoil: func(s *setting) {
			s.in.gmail.Next(gmailtest.Fault{At: gmailtest.Open, Kind: gmailtest.Answer, Status: 503})
			s.in.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.DropAfter, Octets: 50})
			s.in.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.CommitThenDrop})
			s.in.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.CommitThenAnswer, Status: 500})
		}, count: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &setting{in: install(t, gmailtest.Options{}), pop: popWith(t, c.cert, three()...)}
			s.box = s.in.at("pop3s", "ann", password, s.pop.port, s.pop.ca)
			if c.spoil != nil {
				c.spoil(s)
			}
			r := s.in.sync(s.box, c.args...)
			r.says(t, c.code, c.words...)
			if n := s.in.gmail.Count(user); n != c.count {
				t.Errorf("%d messages in Gmail, want %d", n, c.count)
			}
			if s.pop.drop.Len() != 3 {
				t.Error("a message was lost at the source")
			}
		})
	}
}

func TestAnUnknownOutcomeIsSaidAndNeverImportedTwice(t *testing.T) {
	t.Parallel()
	pop := popWith(t, nil, three()...)
	in := install(t, gmailtest.Options{})
	box := in.at("pop3s", "ann", password, pop.port, pop.ca)
	in.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.CommitThenDrop})
	in.gmail.Fault(func(r gmailtest.Request) (gmailtest.Fault, bool) {
		return gmailtest.Fault{Kind: gmailtest.Expire}, r.At == gmailtest.Query
	})
	r := in.sync(box)
	r.says(t, 1, "doubtful")
	in.gmail.ClearFaults()
	in.sync(box).want(t, 0, report{Listed: 3, Already: 2, Doubtful: 1}) // and it is said again
	if n := in.gmail.Count(user); n != 3 {
		t.Errorf("%d messages in Gmail, want 3", n)
	}
}

func TestTheDataDirectory(t *testing.T) {
	t.Parallel()
	pop := popWith(t, nil, three()...)
	in := install(t, gmailtest.Options{})
	box := in.at("pop3s", "ann", password, pop.port, pop.ca)
	in.sync(box).want(t, 0, report{Listed: 3, Imported: 3})

	t.Run("a second process is told so", func(t *testing.T) {
		in.gmail.Next(gmailtest.Fault{At: gmailtest.Open, Kind: gmailtest.Delay, DelayMS: 3000})
		pop.drop.Add(testkit.Message(50))
		first := in.command(t.Context(), in.syncArgs(box)...)
		opened := in.gmail.Stats().Requests[gmailtest.Open]
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- first.Wait() }()
		if !workInFlight(in, opened, ended) {
			t.Fatal("the first process ended")
		}
		in.sync(box).says(t, 2, in.data)
		if err := <-ended; err != nil {
			t.Errorf("the first process: %v", err)
		}
	})
	t.Run("another master key", func(t *testing.T) {
		out, err := exec.Command(in.bin, "keys", "generate").Output()
		if err != nil {
			t.Fatal(err)
		}
		in.env["SMTPSYNC_MASTER_KEY"] = strings.TrimSpace(string(out))
		defer delete(in.env, "SMTPSYNC_MASTER_KEY")
		in.sync(box).says(t, 2, "master key")
	})
	t.Run("a short master key", func(t *testing.T) {
		in.env["SMTPSYNC_MASTER_KEY"] = "c2hvcnQ="
		defer delete(in.env, "SMTPSYNC_MASTER_KEY")
		in.sync(box).says(t, 2, "SMTPSYNC_MASTER_KEY")
	})
	t.Run("nothing was lost by all that", func(t *testing.T) {
		in.sync(box).want(t, 0, report{Listed: 4, Already: 4})
	})
}

// TestAFullDiskLosesNothing runs in a file system of 12 MB that fills up.
func TestAFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	in := install(t, gmailtest.Options{})
	if err := os.MkdirAll(in.data, 0o700); err != nil {
		t.Fatal(err)
	}
	mount := exec.Command("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", in.data)
	if out, err := mount.CombinedOutput(); err != nil {
		testkit.Require(t, "a file system of its own: "+string(out), os.Getuid() != 0 || os.Getenv("CI") != "true", "run as root")
		t.Skip("mount is not allowed here")
	}
	t.Cleanup(func() { _ = exec.Command("umount", in.data).Run() })
	var raws [][]byte
	for i := range 200 {
		raws = append(raws, testkit.Message(uint64(i)))
	}
	pop := popWith(t, nil, raws...)
	box := in.at("pop3s", "ann", password, pop.port, pop.ca)
	ballast := filepath.Join(in.data, "ballast")
	in.write(ballast, strings.Repeat("x", 11<<20))
	r := in.sync(box, "--after-import", "delete")
	if r.code == 0 {
		t.Skip("200 messages fit: the store needs less than this test thought")
	}
	r.says(t, r.code, "disk")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	in.sync(box, "--after-import", "delete").orFail(t)
	if n := in.gmail.Count(user); n != len(raws) || pop.drop.Len() != 0 {
		t.Errorf("%d messages in Gmail, %d at the source; want %d, 0", n, pop.drop.Len(), len(raws))
	}
}

// TestInterruptedIsSaidAndCompletedLater by SIGINT in the middle of an upload.
func TestInterruptedIsSaidAndCompletedLater(t *testing.T) {
	t.Parallel()
	pop := popWith(t, nil, three()...)
	in := install(t, gmailtest.Options{})
	box := in.at("pop3s", "ann", password, pop.port, pop.ca)
	in.gmail.Next(gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Delay, DelayMS: 20_000})
	cmd := in.command(t.Context(), in.syncArgs(box)...)
	time.AfterFunc(700*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGINT) })
	start := time.Now()
	r := in.wait(cmd)
	if r.code != 130 || time.Since(start) > 10*time.Second {
		t.Errorf("exit %d after %v, want 130 at once\n%s", r.code, time.Since(start), r.stderr)
	}
	in.gmail.ClearFaults()
	in.sync(box).orFail(t)
	if n := in.gmail.Count(user); n != 3 {
		t.Errorf("%d messages in Gmail, want 3", n)
	}
}

// TestUnusableUniqueIdsDoubleNothing: repeated, malformed, or none at all.
func TestUnusableUniqueIdsDoubleNothing(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]pop3d.Faults{
		"repeated":  {UIDL: func(n int, _ string) string { return strconv.Itoa(n) + " same" }},
		"malformed": {UIDL: func(n int, _ string) string { return strconv.Itoa(n) + " " + strings.Repeat("x", 71) }},
		"none":      {NoUIDL: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pop := popWith(t, nil, append(three(), testkit.Message(3))...)
			pop.Misbehave(faults)
			in := install(t, gmailtest.Options{})
			box := in.at("pop3s", "ann", password, pop.port, pop.ca)
			in.sync(box).want(t, 0, report{Listed: 4, Imported: 4})
			in.sync(box).want(t, 0, report{Listed: 4, Already: 4})
			pop.drop.Add(testkit.Message(9))
			in.sync(box, "--after-import", "delete").want(t, 0, report{Listed: 5, Already: 4, Imported: 1})
			if n := in.gmail.Count(user); n != 5 || pop.drop.Len() != 0 {
				t.Errorf("%d messages in Gmail, %d at the source; want 5, 0", n, pop.drop.Len())
			}
		})
	}
}
