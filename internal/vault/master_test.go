package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// key1, key2 and key3 are random octets, fixed.
const (
	key1 = "7wfEs1+kP1pC5iZcrSHyhTqOHp4oQvmBfI0jBd0RkxA="
	key2 = "mB6d0G7y3oKXQq0j1xv5m8lK9uE2wYcTzN4hPfS6gVs="
	key3 = "Qz8uVd3pYlWm0r7kNcXhT1eBfGj5oA9sLi2vMw6xRyE="
)

func std(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// wantFault wants a Setup Fault with this code and all of these words in its one line.
func wantFault(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	f, ok := mail.AsFault(err)
	if !ok || f.Class != mail.Setup || f.Code != code {
		t.Fatalf("error = %#v, want a fault of class Setup with code %q", err, code)
	}
	for _, w := range words {
		if !strings.Contains(f.Error(), w) {
			t.Errorf("fault = %q, without %q", f.Error(), w)
		}
	}
	if strings.ContainsAny(f.Error(), "\r\n") {
		t.Errorf("fault = %q, not one line", f.Error())
	}
}

func TestMasterKeysAreReadNewestFirst(t *testing.T) {
	t.Parallel()
	m, err := vault.ParseMasterKeys(vault.NewSecret(key1 + "," + key2 + "," + key3))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.IDs(), []string{"1f3c7121", "633b1ff1", "3db57f9d"}; !slices.Equal(got, want) {
		t.Errorf("ids = %q, want %q", got, want)
	}
}

func TestBadMasterKeysAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	counting := make([]byte, 32)
	for i := range counting {
		counting[i] = byte(3 * i)
	}
	for name, c := range map[string]struct{ setting, want string }{
		"nothing":           {"", "SMTPSYNC_MASTER_KEY holds no key"},
		"empty entry":       {key1 + ",", "key 2 of SMTPSYNC_MASTER_KEY is 0 octets long instead of 32"},
		"31 octets":         {std([]byte("\x8f\x01\xfe")) + std(bytes.Repeat([]byte{1, 200, 3, 90}, 7)), "31 octets long instead of 32"},
		"48 octets, hex":    {hex.EncodeToString(counting), "48 octets long instead of 32"},
		"space after comma": {key1 + ", " + key2, "key 2 of SMTPSYNC_MASTER_KEY is not plain base64"},
		"line break inside": {key1[:20] + "\n" + key1[20:], "not plain base64"},
		"no padding":        {key1[:43], "not plain base64"},
		"URL alphabet":      {strings.ReplaceAll(key1, "+", "-"), "not plain base64"},
		"stray bits":        {key1[:42] + "B=", "not plain base64"},
		"same key twice":    {key1 + "," + key2 + "," + key1, "key 3 of SMTPSYNC_MASTER_KEY is key 1 again"},
		"zeros":             {std(make([]byte, 32)), "one octet repeated"},
		"words":             {std([]byte("correct horse battery staple 12!")), "is text"},
		"hex as text":       {std([]byte("00112233445566778899aabbccddeeff")), "is text"},
		"pattern":           {std(bytes.Repeat([]byte{0, 200, 31, 90}, 8)), "is a pattern"},
		"counting":          {std(counting), "is a pattern"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := vault.ParseMasterKeys(vault.NewSecret(c.setting))
			wantFault(t, err, "master_key", c.want)
			for _, part := range []string{key1[:12], c.setting} {
				if len(part) > 10 && strings.Contains(err.Error(), part) {
					t.Errorf("error %q repeats the key", err)
				}
			}
		})
	}
}

func TestAGeneratedMasterKeyIsAcceptedAndNew(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		k := vault.GenerateMaster()
		if _, err := vault.ParseMasterKeys(k); err != nil || seen[k.RevealString()] {
			t.Fatalf("a generated key is refused (%v) or came twice", err)
		}
		seen[k.RevealString()] = true
	}
}

func FuzzParseMasterKeys(f *testing.F) {
	for _, seed := range []string{"", ",", key1, key1 + "," + key2, key1[:43], key1 + "\n", strings.Repeat("A", 43) + "="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, setting string) {
		m, err := vault.ParseMasterKeys(vault.NewSecret(setting))
		if err != nil {
			if _, ok := mail.AsFault(err); !ok {
				t.Fatalf("error %v is no fault", err)
			}
			return
		}
		texts := strings.Split(setting, ",")
		if len(m.IDs()) != len(texts) {
			t.Fatalf("%d entries gave %d keys", len(texts), len(m.IDs()))
		}
		for _, text := range texts {
			if b, err := base64.StdEncoding.DecodeString(text); err != nil || len(b) != 32 || std(b) != text {
				t.Fatalf("accepted %q, which does not encode back to itself", text)
			}
		}
	})
}
