package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/testkit/postgres"
)

// TestTheMasterKeyIsRotatedWhileServeImports: `keys rotate` beside a service that
// imports; service and command are killed with SIGKILL in the middle, the next
// start goes on, and in the end the old master keys are thrown away. No log has
// a word about a key that did not open.
func TestTheMasterKeyIsRotatedWhileServeImports(t *testing.T) {
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		rotated(t, 300)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		db, err := postgres.Shared(t).Create("")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Drop)
		in := install(t, gmailtest.Options{})
		in.env["SMTPSYNC_KEYSTORE_URL"] = db.URL(postgres.Owner)
		if r := in.run("doctor"); !strings.Contains(r.stdout, "run smtp-sync migrate") {
			t.Errorf("doctor before migrate says\n%s", r.stdout)
		}
		if r := in.run("migrate"); r.code != 0 {
			t.Fatalf("migrate: exit %d: %s", r.code, r.stderr)
		}
		rotated(t, 1000, "SMTPSYNC_KEYSTORE_URL="+db.URL(postgres.Owner))
	})
}

func rotated(t *testing.T, others int, env ...string) {
	if n, err := strconv.Atoi(os.Getenv("SMTP_SYNC_TEST_ROTATED_USERS")); err == nil {
		others = n
	}
	d := dovecot.Start(t)
	s := serving(t, gmailtest.Options{}, env...)
	want := map[string]int{}
	serial := uint64(0)
	deliver := func() {
		for _, name := range []string{"ann", "bob"} {
			serial++
			raw := testkit.Message(500_000 + serial)
			want[digest(raw)]++
			if err := d.Deliver(name, "", raw); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, name := range []string{"ann", "bob"} {
		if err := d.AddUser(name, password); err != nil {
			t.Fatal(err)
		}
		s.add(s.at(d, histories[i], name))
	}
	keys := s.keys()
	for range others {
		if _, err := keys.CreateUser(t.Context(), id.New[id.User]()); err != nil {
			t.Fatal(err)
		}
	}
	var logs bytes.Buffer
	kill := func() {
		s.stop(syscall.SIGKILL)
		logs.WriteString(s.stderr.String())
	}

	// Killed in the middle, the service and the command: the next start goes on.
	s.start()
	first := keys.MasterIDs()[0]
	rotate := s.command(t.Context(), "keys", "rotate")
	if err := rotate.Start(); err != nil {
		t.Fatal(err)
	}
	census := func() (old, all int) {
		count, err := keys.Census(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range count {
			all += n
		}
		return count[first], all
	}
	s.until("a part is wrapped anew", 30*time.Second, func() bool {
		deliver()
		old, all := census()
		return old < all
	})
	_ = rotate.Process.Kill()
	_ = rotate.Wait()
	kill()
	old, all := census()
	order, err := keys.RotationOrdered(t.Context())
	if err != nil || old > 0 && order == "" {
		t.Fatalf("%d of %d keys are under the old master key, and the order is %q, %v", old, all, order, err)
	}
	t.Logf("killed when %d of %d keys were wrapped anew", all-old, all)
	deliver()
	s.start()
	s.until("the rest is wrapped anew", time.Minute, func() bool {
		deliver()
		time.Sleep(100 * time.Millisecond)
		order, err := keys.RotationOrdered(t.Context())
		return err == nil && order == ""
	})
	if old, all := census(); old > 0 || all < others+3 {
		t.Errorf("%d of %d keys are still under the old master key", old, all)
	}

	// And once more, to the end.
	r := s.run("keys", "rotate")
	if r.code != 0 || !strings.Contains(r.stdout, "nothing lies under master key "+first+" any more") || !strings.Contains(r.stdout, "the service wraps") {
		t.Errorf("keys rotate: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	deliver()
	s.arrived(total(want), time.Minute)
	kill()

	// With the newest master key alone.
	file := filepath.Join(s.data, "master.key")
	list, err := os.ReadFile(file)
	if err != nil || bytes.Count(list, []byte(",")) != 2 {
		t.Fatalf("master.key has %d keys, %v, want 3", 1+bytes.Count(list, []byte(",")), err)
	}
	newest, _, _ := bytes.Cut(list, []byte(","))
	if err := os.WriteFile(file, newest, 0o600); err != nil {
		t.Fatal(err)
	}
	deliver()
	s.start()
	s.arrived(total(want), time.Minute)
	if r := s.run("doctor"); !strings.Contains(r.stdout, "keys lie under the newest master key, "+s.keys().MasterIDs()[0]) {
		t.Errorf("doctor says\n%s", r.stdout)
	}
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	logs.WriteString(s.stderr.String())
	once(t, s.gmail.Hashes(user), want)
	for _, code := range []string{"key_missing", "key_damaged", "master_key", "sealed_value", "cannot be decrypted", "locked with master key"} {
		if strings.Contains(logs.String(), code) {
			t.Errorf("the logs speak of %q:\n%s", code, logs.String())
		}
	}
	if n := strings.Count(logs.String(), "every key was wrapped under master key"); n == 0 {
		t.Errorf("the log does not say that keys were wrapped anew:\n%s", logs.String())
	}
}

// TestKeysRotateSaysWhatIsWrongOrDone with keys that are the operator's: no
// service runs, so the command wraps them itself.
func TestKeysRotateSaysWhatIsWrongOrDone(t *testing.T) {
	t.Parallel()
	in := install(t, gmailtest.Options{})
	in.run("keys", "rotate").says(t, 2, "master.key is missing", "SMTPSYNC_DATABASE_URL")
	generate := func() string {
		t.Helper()
		r := in.run("keys", "generate")
		if r.code != 0 || strings.Count(r.stdout, "\n") != 1 {
			t.Fatalf("keys generate: exit %d, %q, %s", r.code, r.stdout, r.stderr)
		}
		return strings.TrimSpace(r.stdout)
	}
	with := func(keys ...string) { in.env["SMTPSYNC_MASTER_KEY"] = strings.Join(keys, ",") }
	prints := func(r result, words ...string) {
		t.Helper()
		for _, w := range append(words, "") {
			if r.code != 0 || !strings.Contains(r.stdout, w) {
				t.Errorf("exit %d, %q is not said:\n%s%s", r.code, w, r.stdout, r.stderr)
			}
		}
	}
	first, second := generate(), generate()
	with(first)
	in.run("keys", "rotate").says(t, 2, "nothing to wrap anew", "no key was ever made")
	in.run("doctor") // makes the store
	in.run("keys", "rotate").says(t, 2, "holds one key", "smtp-sync keys generate", "NEW,OLD")
	with(second)
	in.run("keys", "rotate").says(t, 2, "3 keys lie under master key", "not among those given", "add it to the end of SMTPSYNC_MASTER_KEY")
	with(first, second)
	prints(in.run("keys", "rotate"), "3 keys lie under the newest master key", "nothing lies under master key")
	with(second, first)
	prints(in.run("doctor"), "3 keys lie under master key", "run smtp-sync keys rotate")
	prints(in.run("keys", "rotate"), "3 keys lie under the newest master key", "taken out of SMTPSYNC_MASTER_KEY")
	prints(in.run("keys", "rotate"), "3 keys lie under the newest master key") // nothing to do
	with(second)
	prints(in.run("doctor"), "they live in the directory", "3 keys lie under the newest master key")
	with(first)
	if r := in.run("doctor"); r.code != 1 || !strings.Contains(r.stdout, "locked with master key") {
		t.Errorf("doctor with the old master key: exit %d\n%s", r.code, r.stdout)
	}
}
