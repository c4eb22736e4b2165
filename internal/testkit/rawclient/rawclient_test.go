package rawclient

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// scripted is a TLS server that says its lines one by one: the first at once,
// the next after each line it is sent, whatever that is; then it hangs up.
func scripted(t *testing.T, protocol string, says ...string) Config {
	t.Helper()
	ca := testkit.NewCA()
	l, err := tls.Listen("tcp", "127.0.0.1:0", ca.ServerConfig("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		heard := bufio.NewReader(conn)
		for i, line := range says {
			if _, err := conn.Write([]byte(line)); err != nil || i == len(says)-1 {
				return
			}
			if _, err := heard.ReadString('\n'); err != nil {
				return
			}
		}
	}()
	return Config{Protocol: protocol, Addr: l.Addr().String(), TLS: ca.ClientConfig("127.0.0.1"), User: "u", Password: "p"}
}

func hashed(bodies ...string) map[string]int {
	sums := map[string]int{}
	for _, b := range bodies {
		sum := sha256.Sum256([]byte(b))
		sums[hex.EncodeToString(sum[:])]++
	}
	return sums
}

func TestOctetsAreHashedExactlyAsTheServerMeansThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		protocol string
		says     []string
		want     map[string]int
	}{
		{
			"POP3 dots", "pop3",
			[]string{
				"+OK hello\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n1 5\r\n7 0\r\n9 5\r\n.\r\n",
				"+OK\r\n..\r\n...\r\na.\n.b\r\n..c\r\n\r\n.\r\n", "+OK\r\n.\r\n", "+OK\r\n..\r\n...\r\na.\n.b\r\n..c\r\n\r\n.\r\n", "+OK bye\r\n",
			},
			hashed(".\r\n..\r\na.\nb\r\n.c\r\n\r\n", "", ".\r\n..\r\na.\nb\r\n.c\r\n\r\n"),
		},
		{
			"IMAP literals", "imap",
			[]string{
				"* OK hello\r\n", "a OK in\r\n", "* 3 EXISTS\r\na OK [READ-ONLY]\r\n",
				"* 1 FETCH (UID 1 RFC822.SIZE 6 BODY[] {6}\r\na OK\r\n)\r\n* 4 EXISTS\r\n* 2 FETCH (UID 4 BODY[] {0}\r\n RFC822.SIZE 0)\r\na OK done\r\n",
				"* BYE\r\na OK bye\r\n",
			},
			hashed("a OK\r\n", ""),
		},
		{"IMAP empty folder", "imap", []string{"* OK hello\r\n", "a OK in\r\n", "a OK\r\n", "a OK done\r\n", "a OK bye\r\n"}, hashed()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Hashes(t.Context(), scripted(t, c.protocol, c.says...))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("Hashes = %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestWhatIsNotCompleteIsAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		protocol string
		says     []string
	}{
		"POP3 refused":   {"pop3", []string{"+OK\r\n", "-ERR no\r\n"}},
		"POP3 cut":       {"pop3", []string{"+OK\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n1 5\r\n.\r\n", "+OK\r\nhalf a\r\n"}},
		"IMAP refused":   {"imap", []string{"* OK\r\n", "a NO no\r\n"}},
		"IMAP cut":       {"imap", []string{"* OK\r\n", "a OK\r\n", "a OK\r\n", "* 1 FETCH (RFC822.SIZE 9 BODY[] {9}\r\nhalf"}},
		"IMAP no body":   {"imap", []string{"* OK\r\n", "a OK\r\n", "a OK\r\n", "* 1 FETCH (UID 1)\r\na OK\r\n", "a OK\r\n"}},
		"neither":        {"smtp", []string{"220\r\n"}},
		"IMAP fetch bad": {"imap", []string{"* OK\r\n", "a OK\r\n", "a OK\r\n", "a BAD\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := Hashes(t.Context(), scripted(t, c.protocol, c.says...)); err == nil {
				t.Errorf("Hashes = %v, want an error", got)
			}
		})
	}
}

func TestCancelEndsTheReading(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept() // and says nothing
		if err == nil {
			defer conn.Close()
		}
		cancel()
		<-t.Context().Done()
	}()
	_, err = Hashes(ctx, Config{Protocol: "pop3", Addr: l.Addr().String(), StartTLS: true, User: "u", Password: "p"})
	if err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("Hashes: %v, want an error at once", err)
	}
}
