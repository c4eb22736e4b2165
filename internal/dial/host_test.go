package dial

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestHostIsBroughtIntoOneForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"imap.example.com": "imap.example.com", "IMAP.Example.COM.": "imap.example.com", "localhost": "localhost",
		"bücher.example": "xn--bcher-kva.example", "BÜCHER.example": "xn--bcher-kva.example",
		"xn--bcher-kva.example": "xn--bcher-kva.example", "mail_1.example": "mail_1.example",
		"192.0.2.1": "192.0.2.1", "[2001:db8::1]": "2001:db8::1", "2001:DB8::1": "2001:db8::1", "１２７.０.０.１": "127.0.0.1",
		"3com.example": "3com.example", "0xmail.example": "0xmail.example",
	} {
		if got, err := CheckHost(in); err != nil || got != want {
			t.Errorf("CheckHost(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// Some resolvers take these for addresses (inet_aton); none may reach one.
func TestNumericTricksAreNoHosts(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"0x7f000001", "0x7f.1", "2130706433", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01", "0x7f.0.0.0x1",
		"1.2.3.4.5", "example.0x", "foo.123", "１２７.1", "127.0.0.1.", "0xa9fea9fe",
	} {
		got, err := CheckHost(host)
		if err == nil {
			if _, perr := netip.ParseAddr(got); perr == nil && host == "127.0.0.1." {
				continue // an address with a root dot is the address, and is judged as such
			}
			t.Errorf("CheckHost(%q) = %q, want a refusal", host, got)
		}
	}
}

func TestWhatIsNoHostIsRefused(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"", " ", ".", "a..b", "imaps://imap.example.com", "imap.example.com/", "user@imap.example.com", "imap.example.com:993",
		"a\r\nb", "a\x00b", "a b", "imap.example.com\n", "-a.example", "a-.example", "*.example.com", "fe80::1%eth0", "[fe80::1%eth0]", "[::1",
		strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 130) + "example", "a?b", "a#b", "a\\b", "\u0301x.example", "%31.example",
	} {
		got, err := CheckHost(host)
		f, ok := mail.AsFault(err)
		if !ok || f.Class != mail.Setup || f.Code != "host_invalid" {
			t.Errorf("CheckHost(%q) = %q, %v; want host_invalid", host, got, err)
			continue
		}
		if strings.ContainsAny(f.Error(), "\r\n\x00") {
			t.Errorf("CheckHost(%q): the text repeats control characters: %q", host, f.Error())
		}
	}
}

func FuzzCheckHost(f *testing.F) {
	for _, s := range []string{"imap.example.com", "bücher.example", "0x7f.1", "[::1]", "a..b", "１２７.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, err := CheckHost(host)
		if err != nil {
			return
		}
		again, err := CheckHost(got)
		if err != nil || again != got {
			t.Errorf("CheckHost(%q) = %q, which is %q, %v the second time", host, got, again, err)
		}
		if strings.ContainsAny(got, "\r\n\x00 /@%") {
			t.Errorf("CheckHost(%q) = %q", host, got)
		}
	})
}
