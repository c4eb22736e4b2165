package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// key makes a master key that looks random.
func key(seed byte) string {
	sum := sha256.Sum256([]byte{seed})
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestDefaultsAloneAreAConfiguration(t *testing.T) {
	t.Parallel()
	c, err := Load(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []struct {
		name      string
		got, want any
	}{
		{"Listen", c.Listen, "127.0.0.1:8080"},
		{"PollEvery", c.PollEvery, 5 * time.Minute},
		{"AuditRetention", c.AuditRetention, 90 * 24 * time.Hour},
		{"BytesPerUserDay", c.BytesPerUserDay, Size(500_000_000)},
		{"UnitsPerProjectDay", c.UnitsPerProjectDay, int64(80_000_000)},
		{"SourcePorts", c.SourcePorts, []uint16{110, 143, 993, 995}},
		{"MasterKey", c.MasterKey, (*vault.MasterKeys)(nil)},
		{"SourceAllowCIDRs", c.SourceAllowCIDRs, []netip.Prefix(nil)},
		{"Signup", c.Signup, ""}, // depends on the store
	} {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("%s = %v, want %v", check.name, check.got, check.want)
		}
	}
	if c.Node == "" {
		t.Error("Node is empty, want the host name")
	}
	if dir, err := c.Store(); dir != "data" || err != nil {
		t.Errorf("Store() = %q, %v", dir, err)
	}
	if k, err := c.Keystore(); k.Dir != "data/keys" || !k.Shared || k.History != 0 || err != nil {
		t.Errorf("Keystore() = %+v, %v", k, err)
	}
}

// Every row is one variable with one value and the line it gives; the numbers
// are those of the bad-input catalogue.
func TestEveryFaultNamesTheVariableAndTheRemedy(t *testing.T) {
	t.Parallel()
	short := base64.StdEncoding.EncodeToString(make([]byte, 31))
	zeros := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, row := range []struct{ name, set, want string }{
		{"29 no master key on Postgres", "DATABASE_URL=postgres://u:p@h/db", "SMTPSYNC_MASTER_KEY: is missing, while the database is Postgres: set 32 bytes in base64: smtp-sync keys generate makes them"},
		{"30 master key of 31 bytes", "MASTER_KEY=" + short, "SMTPSYNC_MASTER_KEY: key 1 of SMTPSYNC_MASTER_KEY is 31 octets long instead of 32: "},
		{"master key of zeros", "MASTER_KEY=" + zeros, "SMTPSYNC_MASTER_KEY: key 1 of SMTPSYNC_MASTER_KEY "},
		{"master key not base64", "MASTER_KEY=" + key(1) + ",hunter2!", "SMTPSYNC_MASTER_KEY: key 2 of SMTPSYNC_MASTER_KEY is not plain base64: "},
		{"37 the same master key twice", "MASTER_KEY=" + key(1) + "," + key(1), "SMTPSYNC_MASTER_KEY: key 2 of SMTPSYNC_MASTER_KEY is key 1 again: "},
		{"31 unknown variable", "LISTN=127.0.0.1:1", "SMTPSYNC_LISTN: is not a variable: did you mean SMTPSYNC_LISTEN?"},
		{"31 dead name", "POLL_INTERVAL=5m", "SMTPSYNC_POLL_INTERVAL: is not a variable: did you mean SMTPSYNC_POLL_EVERY?"},
		{"twin of what is no secret", "LISTEN_FILE=/x", "SMTPSYNC_LISTEN_FILE: is not a variable: did you mean SMTPSYNC_LISTEN?"},
		{"the prefix alone", "=x", "SMTPSYNC_\": is not a variable"},
		{"35 duration without a unit", "POLL_EVERY=5", `SMTPSYNC_POLL_EVERY: "5" has no unit: write 5s or 5m`},
		{"duration in words", "POLL_EVERY=often", `SMTPSYNC_POLL_EVERY: "often" is not a duration: write a number with a unit, such as 15s, 5m or 90d`},
		{"negative duration", "DRAIN_TIMEOUT=-5s", `SMTPSYNC_DRAIN_TIMEOUT: "-5s" is not a duration: write`},
		{"endless duration", "AUDIT_RETENTION=99999999999d", "SMTPSYNC_AUDIT_RETENTION: "},
		{"poll too often", "POLL_EVERY=1ms", "SMTPSYNC_POLL_EVERY: is too small: write at least 1s"},
		{"poll too seldom", "POLL_EVERY=400d", "SMTPSYNC_POLL_EVERY: is too large: write at most 24h"},
		{"size with a wrong unit", "MEMORY_FOR_TRANSFERS=64M", `SMTPSYNC_MEMORY_FOR_TRANSFERS: "64M" is not a size: write a whole number with a unit, such as 64MB or 64MiB`},
		{"size too large for the machine word", "GMAIL_BYTES_PER_USER_DAY=99999999TB", `SMTPSYNC_GMAIL_BYTES_PER_USER_DAY: "99999999TB" is too large: write a smaller size`},
		{"size too small to work", "MEMORY_FOR_TRANSFERS=64KB", "SMTPSYNC_MEMORY_FOR_TRANSFERS: is too small: write at least 1MB"},
		{"negative size", "GMAIL_BYTES_PER_USER_DAY=-1", `SMTPSYNC_GMAIL_BYTES_PER_USER_DAY: "-1" is not a size: write`},
		{"count", "GMAIL_UNITS_PER_USER_MINUTE=6k", `SMTPSYNC_GMAIL_UNITS_PER_USER_MINUTE: "6k" is not a number: write a whole number such as 6000`},
		{"address instead of a range", "SOURCE_ALLOW_CIDRS=10.0.0.5", `SMTPSYNC_SOURCE_ALLOW_CIDRS: "10.0.0.5" is an address, not a range: write 10.0.0.5/32`},
		{"range with host bits", "SOURCE_ALLOW_CIDRS=127.0.0.0/8,10.0.0.5/8", `SMTPSYNC_SOURCE_ALLOW_CIDRS: "10.0.0.5/8" has bits set behind its prefix: write 10.0.0.0/8`},
		{"no range at all", "TRUSTED_PROXIES=proxy", `SMTPSYNC_TRUSTED_PROXIES: "proxy" is not an address range: write ranges such as 192.168.0.0/16, separated by commas`},
		{"port 0", "SOURCE_PORTS=993,0", `SMTPSYNC_SOURCE_PORTS: "0" is not a port: write ports from 1 to 65535, separated by commas`},
		{"port above all", "SOURCE_PORTS=70000", `SMTPSYNC_SOURCE_PORTS: "70000" is not a port: write`},
		{"empty item", "SOURCE_PORTS=993,,995", "SMTPSYNC_SOURCE_PORTS: has an empty item: separate the items with single commas"},
		{"listener without a port", "LISTEN=localhost", `SMTPSYNC_LISTEN: "localhost" is not an address with a port: write 127.0.0.1:8080, or :8080 for all interfaces`},
		{"two listeners on one address", "METRICS_LISTEN=127.0.0.1:8080", "SMTPSYNC_METRICS_LISTEN: is the address of SMTPSYNC_LISTEN: choose another port, or off"},
		{"a page that is no URL", "PRIVACY_URL=javascript:alert(1)", `SMTPSYNC_PRIVACY_URL: "javascript:alert(1)" is not a URL of this kind: write http:// or https://host`},
		{"base address with a query", "PUBLIC_URL=https://mail.example?x", `SMTPSYNC_PUBLIC_URL: "https://mail.example?x" is more than a base address: write it without user, query and fragment`},
		{"tokens in the clear", "GMAIL_API_URL=http://gmail.example", `SMTPSYNC_GMAIL_API_URL: "http://gmail.example" would carry tokens unencrypted: write https://`},
		{"database of another kind", "DATABASE_URL=mysql://u:hunter2@h/db", "SMTPSYNC_DATABASE_URL: is neither a directory nor a Postgres database: write sqlite://./data (keys: file:///path) or postgres://user:password@host/name"},
		{"SQLite without a directory", "DATABASE_URL=sqlite://", "SMTPSYNC_DATABASE_URL: names no directory: write"},
		{"key store of another kind", "KEYSTORE_URL=s3://bucket", "SMTPSYNC_KEYSTORE_URL: is neither a directory nor a Postgres database: write"},
		{"key store in no directory", "KEYSTORE_URL=file://", "SMTPSYNC_KEYSTORE_URL: SMTPSYNC_KEYSTORE_URL does not name a directory: "},
		{"signup in other words", "SIGNUP=closed", `SMTPSYNC_SIGNUP: "closed" is not known: write first or list or open`},
		{"list without addresses", "SIGNUP=list", "SMTPSYNC_SIGNUP_EMAILS: is missing, so that nobody could sign up: list the addresses"},
		{"addresses that nobody looks at", "SIGNUP_EMAILS=a@b.example", "SMTPSYNC_SIGNUP: does not look at SMTPSYNC_SIGNUP_EMAILS: write list, or remove the addresses"},
		{"address that is none", "SIGNUP_EMAILS=bob", `SMTPSYNC_SIGNUP_EMAILS: "bob" is not an e-mail address: write name@example.com`},
		{"Stripe key without its webhook secret", "STRIPE_SECRET_KEY=sk_x", "SMTPSYNC_STRIPE_WEBHOOK_SECRET: is missing, while SMTPSYNC_STRIPE_SECRET_KEY is set: set both or neither"},
		{"three webhook secrets", "STRIPE_WEBHOOK_SECRET=a,b,c", "SMTPSYNC_STRIPE_WEBHOOK_SECRET: has 3 secrets: keep the newest two"},
		{"prices", "STRIPE_PRICES=gold=price_1", "SMTPSYNC_STRIPE_PRICES: is not a list of prices: write plus=price_…,pro=price_…"},
		{"Mailjet key without its secret", "MAILJET_KEY=k", "SMTPSYNC_MAILJET_SECRET: is missing, while SMTPSYNC_MAILJET_KEY is set: set both or neither"},
		{"Mailjet secret without its key", "MAILJET_SECRET=k", "SMTPSYNC_MAILJET_KEY: is missing, while SMTPSYNC_MAILJET_SECRET is set: set both or neither"},
		{"unsigned webhook", "NOTIFY_WEBHOOK_URL=https://h.example/t0ken", "SMTPSYNC_NOTIFY_WEBHOOK_SECRET: is missing, while SMTPSYNC_NOTIFY_WEBHOOK_URL is set: set both or neither"},
		{"client without its secret", "GOOGLE_CLIENT_ID=id", "SMTPSYNC_GOOGLE_CLIENT_SECRET: is missing, while SMTPSYNC_GOOGLE_CLIENT_ID is set: set both or neither"},
		{"file that is not there", "TLS_CA_FILE=/nonexistent/ca.pem", `SMTPSYNC_TLS_CA_FILE: "/nonexistent/ca.pem" does not open: name a file that this user can read`},
		{"directory instead of a file", "TLS_CA_FILE=/", `SMTPSYNC_TLS_CA_FILE: "/" is not a file: name a file that this user can read`},
		{"node with blanks", "NODE=my node", `SMTPSYNC_NODE: "my node" is not a node name: write`},
		{"log level", "LOG_LEVEL=loud", `SMTPSYNC_LOG_LEVEL: "loud" is not known: write debug or info or warn or error`},
		{"line break in a value", "NODE=a\nb", "SMTPSYNC_NODE: has a control character or invalid UTF-8: write it in plain text on one line"},
		{"invalid UTF-8", "NODE=\xff", "SMTPSYNC_NODE: has a control character or invalid UTF-8: write"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load([]string{Prefix + row.set, "PATH=/bin"}, "")
			faults, ok := errors.AsType[Faults](err)
			if !ok || len(faults) != 1 {
				t.Fatalf("Load = %v, want one fault", err)
			}
			if got := err.Error(); !strings.Contains(got, row.want) || strings.Contains(got, "\n") {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestVariableWithAFaultOfItsOwnIsNotCalledMissing(t *testing.T) {
	t.Parallel()
	_, err := Load([]string{"SMTPSYNC_DATABASE_URL=postgres://h/db", "SMTPSYNC_MASTER_KEY=short"}, "")
	if faults, _ := errors.AsType[Faults](err); len(faults) != 1 {
		t.Errorf("got %v, want one line", err)
	}
}

func TestAllFaultsAreNamedInOneStart(t *testing.T) {
	t.Parallel()
	file := write(t, "conf", 0o600, "SMTPSYNC_NODE=a b\nnonsense\nSMTPSYNC_POLL_EVERY=5\n")
	_, err := Load([]string{"SMTPSYNC_LISTN=x", "SMTPSYNC_LISTEN=y", "SMTPSYNC_MAILJET_KEY=k"}, file)
	lines := strings.Split(fmt.Sprint(err), "\n")
	for _, want := range []string{"SMTPSYNC_NODE: ", "line 2 of ", "SMTPSYNC_POLL_EVERY: ", "SMTPSYNC_LISTN: ", "SMTPSYNC_LISTEN: ", "SMTPSYNC_MAILJET_SECRET: "} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("no line starts with %q:\n%v", want, err)
		}
	}
	if len(lines) != 6 {
		t.Errorf("%d lines, want 6:\n%v", len(lines), err)
	}
}

func TestSizesAndDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0": 0, "123": 123, "123B": 123, "64MB": 64e6, "64mb": 64e6, "1KB": 1e3, "2GB": 2e9, "3TB": 3e12,
		"1KiB": 1 << 10, "64MiB": 64 << 20, "2GiB": 2 << 30,
	} {
		if got, w := parseSize(text); w != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", text, got, w, want)
		}
	}
	for text, want := range map[string]time.Duration{
		"0": 0, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "90d": 90 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1.5s": 1500 * time.Millisecond,
	} {
		if got, w := parseDuration(text); w != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", text, got, w, want)
		}
	}
	for _, text := range []string{"", "B", "MB", " 1MB", "1 MB", "1.5GB", "+1MB", "1EB", "99999999999999999999"} {
		if got, w := parseSize(text); w == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
	for _, text := range []string{"", "d", "1d2d", "-1d", "1d-5h", "65535d2562047h", "1.5d", "1d5"} {
		if got, w := parseDuration(text); w == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestZeroMeansNoLimit(t *testing.T) {
	t.Parallel()
	var env []string
	for _, name := range []string{"GMAIL_UNITS_PER_USER_MINUTE", "GMAIL_UNITS_PER_PROJECT_MINUTE", "GMAIL_UNITS_PER_PROJECT_DAY", "GMAIL_BYTES_PER_USER_DAY", "GMAIL_CONCURRENCY_PER_USER", "MEMORY_FOR_TRANSFERS"} {
		env = append(env, Prefix+name+"=0")
	}
	c, err := Load(env, "")
	if err != nil {
		t.Fatal(err)
	}
	if c.UnitsPerUserMinute+c.UnitsPerProjectMinute+c.UnitsPerProjectDay+int64(c.BytesPerUserDay)+c.ConcurrencyPerUser+int64(c.MemoryForTransfers) != 0 {
		t.Errorf("some limit is not 0: %+v", c)
	}
}

func TestEmptyValueIsAMissingOne(t *testing.T) {
	t.Parallel()
	file := write(t, "conf", 0o600, "SMTPSYNC_NODE=from-file\nSMTPSYNC_LISTEN=\n")
	c, err := Load([]string{"SMTPSYNC_NODE=", "SMTPSYNC_POLL_EVERY=", "SMTPSYNC_MAILJET_KEY=", "SMTPSYNC_ORIGIN_SECRET_FILE="}, file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Node != "from-file" || c.Listen != "127.0.0.1:8080" || c.PollEvery != 5*time.Minute || !c.OriginSecret.Empty() {
		t.Errorf("got %q, %q, %v", c.Node, c.Listen, c.PollEvery)
	}
}

func TestSlashAtTheEndOfABaseAddressIsTakenOff(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{"SMTPSYNC_GMAIL_API_URL=http://[::1]:8080/", "SMTPSYNC_GOOGLE_ISSUER=https://issuer.example/"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if c.GmailAPIURL != "http://[::1]:8080" || c.GoogleIssuer != "https://issuer.example/" {
		t.Errorf("got %q and %q", c.GmailAPIURL, c.GoogleIssuer)
	}
}

func TestRequireNamesWhatACommandNeeds(t *testing.T) {
	t.Parallel()
	bare, err := Load(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"sync", "serve", "login"} {
		got := fmt.Sprint(bare.Require(command))
		if !strings.Contains(got, "SMTPSYNC_GOOGLE_CLIENT_ID: is missing and "+command) || !strings.Contains(got, "\nSMTPSYNC_GOOGLE_CLIENT_SECRET: is missing") {
			t.Errorf("Require(%q) = %s", command, got)
		}
	}
	if err := bare.Require("keys"); err != nil {
		t.Errorf("Require(keys) = %v, want nil", err)
	}
	account, err := Load([]string{"SMTPSYNC_GOOGLE_SERVICE_ACCOUNT_FILE=" + write(t, "sa.json", 0o600, "{}")}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := account.Require("sync"); err != nil {
		t.Errorf("Require(sync) with a service account = %v, want nil", err)
	}
}

func TestStoreSaysThatPostgresIsNotSupportedYet(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{"SMTPSYNC_DATABASE_URL=postgres://u:hunter2@h/db", "SMTPSYNC_MASTER_KEY=" + key(1)}, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Store()
	if got, want := fmt.Sprint(err), "SMTPSYNC_DATABASE_URL: Postgres is not supported yet by this release: use sqlite://…"; got != want {
		t.Errorf("Store() = %s, want %s", got, want)
	}
}

func TestKeystoreSaysWhereKeysAreAndWhoseHistoryKeepsThem(t *testing.T) {
	t.Parallel()
	const store = "postgres://u:p@db.example/mail"
	for name, c := range map[string]struct {
		database, keystore, history string
		want                        Keystore
	}{
		"beside the data":         {"sqlite://./data", "", "", Keystore{Dir: "data/keys", Shared: true}},
		"a directory elsewhere":   {"sqlite://./data", "file:///keys", "5d", Keystore{Dir: "/keys", History: 5 * day}},
		"within the data":         {"sqlite:///var/data", "file:///var/data/k", "", Keystore{Dir: "/var/data/k", Shared: true}},
		"inside the database":     {store, "", "", Keystore{Inside: true, Shared: true, History: 30 * day}},
		"inside, window known":    {store, "", "6h", Keystore{Inside: true, Shared: true, History: 6 * time.Hour}},
		"another database":        {store, "postgres://k:p@keys.example/k", "", Keystore{}},
		"one server, two names":   {store, "postgres://k:p@DB.example:5432/k", "", Keystore{Shared: true, History: 30 * day}},
		"one server, two sockets": {"postgres:///m?host=/run/a", "postgres:///m?host=/run/b", "", Keystore{}},
		"a directory of one node": {store, "file:///keys", "", Keystore{Dir: "/keys"}},
	} {
		env := []string{"SMTPSYNC_DATABASE_URL=" + c.database, "SMTPSYNC_KEYSTORE_URL=" + c.keystore,
			"SMTPSYNC_KEYSTORE_HISTORY=" + c.history, "SMTPSYNC_MASTER_KEY=" + key(1)}
		cfg, err := Load(env, "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := cfg.Keystore()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if at := got.Database.RevealString(); (at == "") != (got.Dir != "") || at != "" && at != cmp.Or(c.keystore, c.database) {
			t.Errorf("%s: database = %q", name, at)
		}
		if got.Database = c.want.Database; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

const day = 24 * time.Hour

func TestDirectoriesOfTheStore(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"sqlite://./data": "data", "sqlite://data/": "data", "sqlite:///var/lib/smtp-sync": "/var/lib/smtp-sync", "sqlite://../100%": "../100%",
	} {
		c, err := Load([]string{"SMTPSYNC_DATABASE_URL=" + url, "SMTPSYNC_KEYSTORE_URL=file:///keys"}, "")
		if err != nil {
			t.Fatal(err)
		}
		if dir, _ := c.Store(); dir != want {
			t.Errorf("Store() of %s = %q, want %q", url, dir, want)
		}
		if k, _ := c.Keystore(); k.Dir != "/keys" || k.Shared {
			t.Errorf("Keystore() = %+v, want /keys", k)
		}
	}
}

// Every tag names an existing check and every bound parses; every field has a
// sentence.
func TestTagsAreComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range variables {
		if v.tag("env") == "" || seen[v.name] {
			t.Errorf("%s has no name or one that is taken", v.field.Name)
		}
		seen[v.name] = true
		if !strings.HasSuffix(v.tag("doc"), ".") && !strings.Contains(v.tag("doc"), "…") {
			t.Errorf("%s: doc is not a sentence: %q", v.name, v.tag("doc"))
		}
		if name := v.tag("check"); name != "" && checks[name] == nil {
			t.Errorf("%s: no check %q", v.name, name)
		}
		holdsSecret := v.field.Type == reflect.TypeFor[vault.Secret]() || v.field.Type == reflect.TypeFor[*vault.MasterKeys]() || v.field.Type == reflect.TypeFor[Secrets]()
		if holdsSecret != v.secret() {
			t.Errorf("%s: its type and the tag secret disagree", v.name)
		}
		for _, text := range []string{v.tag("default"), v.tag("min"), v.tag("max")} {
			if w := v.set(&Config{}, text); w != nil {
				t.Errorf("%s: %q in a tag: %s", v.name, text, w.what)
			}
		}
	}
}

func TestEnvExampleIsAConfigurationOfDefaults(t *testing.T) {
	t.Parallel()
	uncommented := strings.ReplaceAll(EnvExample(), "\n#SMTPSYNC_", "\nSMTPSYNC_")
	got, err := load(nil, "example", uncommented)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := Load(nil, "")
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if n := strings.Count(uncommented, "\nSMTPSYNC_"); n != len(variables) {
		t.Errorf("%d variables, want %d", n, len(variables))
	}
}

func write(t *testing.T, name string, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}
