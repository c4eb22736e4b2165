package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSecretComesFromTheFileItsTwinNames(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{"SMTPSYNC_ORIGIN_SECRET_FILE=" + write(t, "s", 0o640, "hunter2\n")}, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.OriginSecret.RevealString(); got != "hunter2" {
		t.Errorf("secret = %q, want hunter2 without the line break", got)
	}
}

func TestSecretFileFaults(t *testing.T) {
	t.Parallel()
	good := write(t, "s", 0o600, "hunter2")
	for _, row := range []struct {
		name, want string
		env        []string
	}{
		{"both", "SMTPSYNC_ORIGIN_SECRET: is set and so is SMTPSYNC_ORIGIN_SECRET_FILE: remove one of them",
			[]string{"SMTPSYNC_ORIGIN_SECRET=hunter2", "SMTPSYNC_ORIGIN_SECRET_FILE=" + good}},
		{"36 readable by others", "SMTPSYNC_ORIGIN_SECRET: the file named by SMTPSYNC_ORIGIN_SECRET_FILE can be read or changed by others: give it mode 0600 with chmod",
			[]string{"SMTPSYNC_ORIGIN_SECRET_FILE=" + write(t, "s", 0o644, "hunter2")}},
		{"the secret itself instead of a file", "SMTPSYNC_ORIGIN_SECRET: the file named by SMTPSYNC_ORIGIN_SECRET_FILE does not open: name a file that this user can read",
			[]string{"SMTPSYNC_ORIGIN_SECRET_FILE=hunter2"}},
		{"a directory", "is not a small regular file", []string{"SMTPSYNC_ORIGIN_SECRET_FILE=" + t.TempDir()}},
		{"empty", "is empty: write the secret into it", []string{"SMTPSYNC_ORIGIN_SECRET_FILE=" + write(t, "s", 0o600, "\n")}},
		{"two lines", "has a control character", []string{"SMTPSYNC_ORIGIN_SECRET_FILE=" + write(t, "s", 0o600, "hunter2\nx")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(row.env, "")
			if got := fmt.Sprint(err); !strings.Contains(got, row.want) || strings.Contains(got, "hunter2") {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestEnvironmentWinsOverTheFileForSecretsToo(t *testing.T) {
	t.Parallel()
	file := write(t, "conf", 0o600, "SMTPSYNC_ORIGIN_SECRET=from-file\nSMTPSYNC_LISTEN=127.0.0.1:1\n")
	c, err := Load([]string{"SMTPSYNC_ORIGIN_SECRET_FILE=" + write(t, "s", 0o600, "from-env"), "SMTPSYNC_LISTEN=127.0.0.1:2"}, file)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.OriginSecret.RevealString() + " " + c.Listen; got != "from-env 127.0.0.1:2" {
		t.Errorf("got %q", got)
	}
}

// Each secret is given a value that is wrong for its variable and one that
// would be right; neither may show in an error or in any print of the result.
func TestNoSecretIsEverPrinted(t *testing.T) {
	t.Parallel()
	const canary = "cAnArY7f3c"
	for _, v := range variables {
		if !v.secret() {
			continue
		}
		for _, value := range []string{canary, canary + "\x01", "http://" + canary, "postgres://u:" + canary + "@h/d?x=%zz", "sqlite://", canary + ",," + canary, "smtp://u:" + canary + "@"} {
			for _, name := range []string{v.name, v.name + fileSuffix} {
				c, err := Load([]string{name + "=" + value}, "")
				var shown strings.Builder
				shown.WriteString(fmt.Sprint(err))
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
					shown.WriteString(fmt.Sprintf(verb, c) + fmt.Sprintf(verb, &struct{ in *Config }{c}))
					if c != nil {
						shown.WriteString(fmt.Sprintf(verb, *c))
					}
				}
				b, _ := json.Marshal(c)
				if all := shown.String() + string(b); strings.Contains(all, canary) {
					t.Errorf("%s=%q is shown: %s", name, value, all)
				}
			}
		}
	}
}
