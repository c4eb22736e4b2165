package config

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestFileHoldsTheSameKeys(t *testing.T) {
	t.Parallel()
	text := "\ufeff# a comment\r\n\r\n  SMTPSYNC_NODE = n1  # the node\nSMTPSYNC_GOOGLE_CLIENT_ID='a # b'\n" +
		"SMTPSYNC_GOOGLE_CLIENT_SECRET=\"quo\\\"te\\\\\" # why not\nSMTPSYNC_ORIGIN_SECRET=a#b\nSMTPSYNC_TERMS_URL=https://x.example/#terms"
	c, err := Load(nil, write(t, "conf", 0o600, text))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Node, c.GoogleClientID, c.GoogleClientSecret.RevealString(), c.OriginSecret.RevealString(), c.TermsURL}
	want := []string{"n1", "a # b", `quo"te\`, "a#b", "https://x.example/#terms"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFileFaultsNameTheLineAndNothingOnIt(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ text, want string }{
		{"hunter2", `line 1 of "f": is not a setting: write SMTPSYNC_NAME=value`},
		{"\nhunter2==", `line 2 of "f": is not a setting`},
		{"HUNTER2=x", `line 1 of "f": is not a setting`},
		{"SMTPSYNC_NODE='hunter2", `line 1 of "f": has no closing quote: close the quotes on the same line`},
		{`SMTPSYNC_NODE="hunter2\`, `has no closing quote`},
		{`SMTPSYNC_NODE="\hunter2"`, `has an unknown escape in double quotes`},
		{"SMTPSYNC_NODE='a'hunter2", `has text after the closing quote`},
		{"SMTPSYNC_NODE=a\nSMTPSYNC_NODE=hunter2", `SMTPSYNC_NODE: is set on line 1 of "f" and again on line 2: remove one of them`},
		{"SMTPSYNC_NODES=hunter2", `SMTPSYNC_NODES: is not a variable, line 1 of "f": did you mean SMTPSYNC_NODE?`},
	} {
		_, err := load(nil, "f", row.text)
		if got := fmt.Sprint(err); !strings.Contains(got, row.want) || strings.Contains(strings.ToLower(got), "hunter2") {
			t.Errorf("%q gives %s\nwant %s", row.text, got, row.want)
		}
	}
}

func TestMissingFileIsOneFault(t *testing.T) {
	t.Parallel()
	_, err := Load(nil, "/nonexistent/smtp-sync.env")
	if got, want := fmt.Sprint(err), `--config: "/nonexistent/smtp-sync.env" does not open: name a file that this user can read`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Whatever stands in the file: no panic, every fault is one printable line,
// and the secret on the last line is in none of them.
func FuzzConfig(f *testing.F) {
	const canary = "cAnArY7f3c"
	for _, seed := range []string{
		"", "SMTPSYNC_LISTEN=127.0.0.1:0", "SMTPSYNC_POLL_EVERY=1d12h # half", "SMTPSYNC_MASTER_KEY=" + key(1) + "," + key(2),
		"SMTPSYNC_NODE='a'b", `SMTPSYNC_NODE="\n"`, "SMTPSYNC_SOURCE_ALLOW_CIDRS=::1/128,fe80::%eth0/10", "SMTPSYNC_DATABASE_URL=sqlite://",
		"SMTPSYNC_GMAIL_API_URL=http://[::1]:8080", "SMTPSYNC_STRIPE_PRICES=plus=price_1,pro=price_2", "\ufeffSMTPSYNC_NODE=\u202ea", "SMTPSYNC_SIGNUP_EMAILS=a@b,\"c d\"@e",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, canary) || strings.Contains(text, fileSuffix) {
			t.Skip()
		}
		c, err := load(nil, "fuzz", text+"\nSMTPSYNC_MASTER_KEY="+canary+"\n")
		if err == nil {
			t.Fatalf("a master key of letters passed: %+v", c)
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if strings.Contains(line, canary) || !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) || strings.Count(line, ": ") < 2 {
				t.Errorf("bad line %q", line)
			}
		}
	})
}
