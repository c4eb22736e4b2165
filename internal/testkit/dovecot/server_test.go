package dovecot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/rawclient"
)

// config is how to reach a mailbox in a way.
func config(s *Server, w Way, user, password string) rawclient.Config {
	return rawclient.Config{Protocol: w.Protocol, Addr: w.Addr(), StartTLS: w.StartTLS, TLS: s.CA.ClientConfig(s.Host), User: user, Password: password}
}

func addUser(t *testing.T, s *Server, name, password string) {
	t.Helper()
	if err := s.AddUser(name, password); err != nil {
		t.Fatal(err)
	}
}

func TestMailComesBackTheSameOnAllFourWays(t *testing.T) {
	t.Parallel()
	s := Start(t)
	const password = `pass:w"o\rd {1}` + " ü"
	addUser(t, s, "ann@old.example", password)
	addUser(t, s, "bob", "other")
	want := map[string]int{}
	var order []string
	for seed := range uint64(40) {
		raw := testkit.Message(seed)
		if err := s.Deliver("ann@old.example", "", raw); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(raw)
		want[hex.EncodeToString(sum[:])]++
		order = append(order, hex.EncodeToString(sum[:]))
	}
	if err := s.Deliver("ann@old.example", "Work/Old", testkit.Message(99)); err != nil {
		t.Fatal(err)
	}
	for _, w := range s.Ways() {
		t.Run(w.Name, func(t *testing.T) {
			t.Parallel()
			got, err := rawclient.Messages(t.Context(), config(s, w, "ann@old.example", password))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(order) {
				t.Fatalf("%d messages, want %d", len(got), len(order))
			}
			for i, m := range got {
				if m.SHA256 != order[i] {
					t.Errorf("message %d differs or is out of order", i)
				}
				if m.Size != m.Announced {
					t.Errorf("message %d: %d octets, announced %d", i, m.Size, m.Announced)
				}
			}
			if empty, err := rawclient.Hashes(t.Context(), config(s, w, "bob", "other")); err != nil || len(empty) != 0 {
				t.Errorf("the other mailbox: %v, %v", empty, err)
			}
			if _, err := rawclient.Hashes(t.Context(), config(s, w, "bob", "wrong")); err == nil {
				t.Error("a wrong password was accepted")
			}
			if w.Protocol == "imap" {
				c := config(s, w, "ann@old.example", password)
				c.Folder = "Work/Old"
				if sums, err := rawclient.Hashes(t.Context(), c); err != nil || len(sums) != 1 {
					t.Errorf("the folder: %v, %v", sums, err)
				}
			}
		})
	}
}

// What a client is given may differ between the protocols, and from what was
// delivered: truth is what an independent client reads in the same way.
func TestOddMailIsTheSameOverPOP3AndIMAP(t *testing.T) {
	t.Parallel()
	s := Start(t)
	addUser(t, s, "odd", "odd")
	odd := testkit.Odd()
	for _, m := range odd {
		if err := s.Deliver("odd", "", m.Raw); err != nil {
			t.Fatal(err)
		}
	}
	var by [2][]rawclient.Message
	for i, w := range []Way{s.Ways()[0], s.Ways()[2]} {
		var err error
		if by[i], err = rawclient.Messages(t.Context(), config(s, w, "odd", "odd")); err != nil {
			t.Fatal(err)
		}
		if len(by[i]) != len(odd) {
			t.Fatalf("%s: %d messages, want %d", w.Name, len(by[i]), len(odd))
		}
	}
	for i, m := range odd {
		// POP3 has to end the last line, and IMAP can send no NUL (Dovecot makes 0x80 of it).
		differs := !bytes.HasSuffix(m.Raw, []byte("\n")) || bytes.IndexByte(m.Raw, 0) >= 0
		if got := by[0][i].SHA256 != by[1][i].SHA256; got != differs {
			t.Errorf("%s: POP3 and IMAP differ: %v, want %v", m.Name, got, differs)
		}
		sent := crlf(m.Raw)
		if sum := sha256.Sum256(sent); !differs && by[0][i].SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %d octets arrive as %d others", m.Name, len(sent), by[0][i].Size)
		}
	}
}

// crlf is what a server makes of stored mail: a bare LF is sent as CRLF.
func crlf(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

func TestPlainTextLoginIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("Dovecot trusts a client with its own address, and this system has no second one on loopback")
	}
	s := Start(t)
	addUser(t, s, "ann", "secret")
	for port, dialogue := range map[int][]string{
		s.POP3: {"USER ann\r\n", "-ERR"},
		s.IMAP: {"a LOGIN ann secret\r\n", "a NO"},
	} {
		conn, err := net.Dial("tcp", net.JoinHostPort(s.Host, strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(conn)
		if _, err := r.ReadString('\n'); err != nil { // greeting
			t.Fatal(err)
		}
		fmt.Fprint(conn, dialogue[0])
		line, err := r.ReadString('\n')
		for strings.HasPrefix(line, "* ") && err == nil {
			line, err = r.ReadString('\n')
		}
		if err != nil || !strings.HasPrefix(line, dialogue[1]) {
			t.Errorf("%q answers %q, %v, want %s", dialogue[0], line, err, dialogue[1])
		}
		_ = conn.Close()
	}
}

func TestForgottenUIDsComeBackDifferent(t *testing.T) {
	t.Parallel()
	s := Start(t)
	addUser(t, s, "ann", "secret")
	if err := s.Deliver("ann", "", testkit.Message(1), testkit.Message(2)); err != nil {
		t.Fatal(err)
	}
	read := func() {
		t.Helper()
		got, err := rawclient.Messages(t.Context(), config(s, s.Ways()[2], "ann", "secret"))
		if err != nil || len(got) != 2 {
			t.Fatalf("%v, %v", got, err)
		}
	}
	read()
	before, err := os.ReadFile(s.maildir("ann", "") + "/dovecot-uidlist")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ForgetUIDs("ann", ""); err != nil {
		t.Fatal(err)
	}
	read()
	after, err := os.ReadFile(s.maildir("ann", "") + "/dovecot-uidlist")
	if err != nil {
		t.Fatal(err)
	}
	if string(before) == string(after) {
		t.Error("the UID list is the same")
	}
	if files, err := s.Files("ann", ""); err != nil || len(files) != 2 {
		t.Errorf("Files = %q, %v", files, err)
	}
}

func TestStopLeavesNoProcess(t *testing.T) {
	t.Parallel()
	s := Start(t)
	pid := s.pid
	s.Stop()
	s.Stop()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d is still there", pid)
	}
	for _, w := range s.Ways() {
		if conn, err := net.Dial("tcp", w.Addr()); err == nil {
			_ = conn.Close()
			t.Errorf("%s still listens", w.Name)
		}
	}
}
