package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/vault/vaulttest"
)

func masters(t *testing.T, setting string) *vault.MasterKeys {
	t.Helper()
	m, err := vault.ParseMasterKeys(vault.NewSecret(setting))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMemoryShelf(t *testing.T) {
	t.Parallel()
	vaulttest.Run(t, func(*testing.T) vault.Shelf { return new(vaulttest.Memory) })
}

func TestKeysComeBackAfterARestart(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	box := id.New[id.Mailbox]()
	first := vault.NewStore(shelf, masters(t, key1))
	sys, err := first.EnsureSystem(t.Context())
	must(t, err)
	user, err := first.CreateUser(t.Context(), userA)
	must(t, err)
	salt, err := first.CreateSalt(t.Context(), user, box)
	must(t, err)

	second := vault.NewStore(shelf, masters(t, key1))
	for _, again := range []func(context.Context) (*vault.SystemKeys, error){second.System, second.EnsureSystem} {
		got, err := again(t.Context())
		must(t, err)
		if !got.PageKey().Equal(sys.PageKey()) || got.Index("sub", "1") != sys.Index("sub", "1") {
			t.Error("the system keys changed")
		}
	}
	got, err := second.User(t.Context(), userA)
	must(t, err)
	if !got.PageKey().Equal(user.PageKey()) || got.User() != userA {
		t.Error("the user's key changed")
	}
	gotSalt, err := second.Salt(t.Context(), got, box)
	must(t, err)
	if !gotSalt.Equal(salt) {
		t.Error("the mailbox's salt changed")
	}
	if _, err := second.CreateUser(t.Context(), userA); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second key for a user: %v, want %v", err, fs.ErrExist)
	}
	if _, err := second.CreateSalt(t.Context(), got, box); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second salt for a mailbox: %v, want %v", err, fs.ErrExist)
	}
}

func TestMissingKeysAreNotMadeUp(t *testing.T) {
	t.Parallel()
	s := vault.NewStore(new(vaulttest.Memory), masters(t, key1))
	_, err := s.System(t.Context())
	wantFault(t, err, "key_missing", "system/page")
	_, err = s.User(t.Context(), userA)
	wantFault(t, err, "key_missing", userA.String())
	_, err = s.Salt(t.Context(), vault.NewUserKey(userA, root1()), id.New[id.Mailbox]())
	wantFault(t, err, "key_missing")
}

func TestIndexHashesTellKindsAndValuesApart(t *testing.T) {
	t.Parallel()
	s := vault.NewStore(new(vaulttest.Memory), masters(t, key1))
	k, err := s.EnsureSystem(t.Context())
	must(t, err)
	seen := map[[32]byte]bool{}
	for _, c := range [][2]string{{"sub", "1"}, {"sub", "2"}, {"subx", "1"}, {"su", "b1"}, {"sub1", ""}, {"", "sub1"}} {
		seen[k.Index(c[0], c[1])] = true
	}
	if len(seen) != 6 {
		t.Errorf("6 different values gave %d hashes", len(seen))
	}
	if other, _ := vault.NewStore(new(vaulttest.Memory), masters(t, key1)).EnsureSystem(t.Context()); other.Index("sub", "1") == k.Index("sub", "1") {
		t.Error("two installations have one index key")
	}
}

func TestAWrongMasterKeyIsNamed(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	_, err := vault.NewStore(shelf, masters(t, key1)).EnsureSystem(t.Context())
	must(t, err)
	wrong := vault.NewStore(shelf, masters(t, key2+","+key3))
	_, err = wrong.System(t.Context())
	wantFault(t, err, "master_key", "locked with master key 1f3c7121", "633b1ff1, 3db57f9d", "SMTPSYNC_MASTER_KEY")
	_, err = wrong.EnsureSystem(t.Context())
	wantFault(t, err, "master_key", "1f3c7121")
}

func TestADamagedOrSwappedRecordIsRefused(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	s := vault.NewStore(shelf, masters(t, key1))
	for _, u := range []id.User{userA, userB} {
		_, err := s.CreateUser(t.Context(), u)
		must(t, err)
	}
	nameA, nameB := "users/"+userA.String()+"/key", "users/"+userB.String()+"/key"
	a, _ := shelf.Get(t.Context(), nameA)
	b, _ := shelf.Get(t.Context(), nameB)

	must(t, shelf.Swap(t.Context(), nameA, a, b)) // another user's key in my place
	_, err := s.User(t.Context(), userA)
	wantFault(t, err, "key_damaged", nameA)

	// The version and each octet behind the master key's id; altering the id
	// itself makes it another key's.
	for i := range a {
		if i >= 1 && i < 5 {
			continue
		}
		bad := bytes.Clone(a)
		bad[i] ^= 1
		for _, record := range [][]byte{bad, a[:i]} {
			now, _ := shelf.Get(t.Context(), nameA)
			must(t, shelf.Swap(t.Context(), nameA, now, record))
			_, err := s.User(t.Context(), userA)
			wantFault(t, err, "key_damaged", nameA)
		}
	}
}

func TestRotationMovesEveryKeyAndNothingElse(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	old := vault.NewStore(shelf, masters(t, key1))
	sys, err := old.EnsureSystem(t.Context())
	must(t, err)
	pages := map[id.User]vault.Secret{}
	at := vault.Place{Table: "mailboxes", Column: "password", Row: "1"}
	sealed := map[id.User][]byte{}
	for range 20 {
		u := id.New[id.User]()
		k, err := old.CreateUser(t.Context(), u)
		must(t, err)
		_, err = old.CreateSalt(t.Context(), k, id.New[id.Mailbox]())
		must(t, err)
		pages[u], sealed[u] = k.PageKey(), k.Seal(at, vault.NewSecret(canary))
	}

	both := vault.NewStore(shelf, masters(t, key2+","+key1))
	_, err = both.CreateUser(t.Context(), userA) // new ones lie under the newest at once
	must(t, err)
	wantCensus(t, both, map[string]int{"1f3c7121": 22, "633b1ff1": 1})

	// Cut off after five, then called again.
	ctx, cancel := context.WithCancel(t.Context())
	moved, err := vault.NewStore(&cutting{Shelf: shelf, after: 5, cut: cancel}, masters(t, key2+","+key1)).Rewrap(ctx)
	if moved != 5 || !errors.Is(err, context.Canceled) {
		t.Fatalf("Rewrap cut off = %d, %v; want 5 and the cause", moved, err)
	}
	wantCensus(t, both, map[string]int{"1f3c7121": 17, "633b1ff1": 6})
	for _, want := range []int{17, 0} {
		if moved, err := both.Rewrap(t.Context()); moved != want || err != nil {
			t.Fatalf("Rewrap = %d, %v; want %d", moved, err, want)
		}
	}
	wantCensus(t, both, map[string]int{"633b1ff1": 23})

	alone := vault.NewStore(shelf, masters(t, key2)) // the old master key is gone
	if got, err := alone.System(t.Context()); err != nil || !got.PageKey().Equal(sys.PageKey()) {
		t.Errorf("system keys after rotation: %v", err)
	}
	for u, page := range pages {
		k, err := alone.User(t.Context(), u)
		must(t, err)
		if got, err := k.Open(at, sealed[u]); !k.PageKey().Equal(page) || err != nil || got.RevealString() != canary {
			t.Errorf("user %s has other keys after rotation: %v", u, err)
		}
	}
	if _, err := old.System(t.Context()); err == nil {
		t.Error("the old master key still opens the store")
	}
}

func TestRotationGoesAroundAKeyItCannotOpen(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	for i, key := range []string{key1, key2, key1} {
		_, err := vault.NewStore(shelf, masters(t, key)).CreateUser(t.Context(), id.User{15: byte(i)})
		must(t, err)
	}
	moved, err := vault.NewStore(shelf, masters(t, key3+","+key1)).Rewrap(t.Context())
	wantFault(t, err, "master_key", "633b1ff1")
	if moved != 2 {
		t.Errorf("moved = %d, want the 2 that could be opened", moved)
	}
}

func wantCensus(t *testing.T, s *vault.Store, want map[string]int) {
	t.Helper()
	if got, err := s.Census(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Fatalf("keys under each master key = %v, %v; want %v", got, err, want)
	}
}

// cutting ends the world after some Swaps.
type cutting struct {
	vault.Shelf
	after int
	cut   func()
}

func (c *cutting) Swap(ctx context.Context, name string, old, next []byte) error {
	if c.after--; c.after == 0 {
		defer c.cut()
	}
	return c.Shelf.Swap(ctx, name, old, next)
}

// wiping destroys the record between a rotation's look and its Swap.
type wiping struct{ vault.Shelf }

func (w wiping) Swap(ctx context.Context, name string, old, next []byte) error {
	if err := w.Destroy(ctx, name); err != nil {
		return err
	}
	return w.Shelf.Swap(ctx, name, old, next)
}

func TestAWipeDuringARotationStaysAWipe(t *testing.T) {
	t.Parallel()
	dir, err := vault.OpenDir(t.TempDir())
	must(t, err)
	for name, shelf := range map[string]vault.Shelf{"memory": new(vaulttest.Memory), "directory": dir} {
		old := vault.NewStore(shelf, masters(t, key1))
		_, err := old.CreateUser(t.Context(), userA)
		must(t, err)
		if moved, err := vault.NewStore(wiping{shelf}, masters(t, key2+","+key1)).Rewrap(t.Context()); moved != 0 || err != nil {
			t.Errorf("%s: Rewrap = %d, %v; want nothing to do", name, moved, err)
		}
		if _, err := old.User(t.Context(), userA); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a destroyed user's key came back: %v", name, err)
		}
	}
}

func TestADestroyedUserIsNoiseAlsoInABackupOfTheDatabase(t *testing.T) {
	t.Parallel()
	s := vault.NewStore(new(vaulttest.Memory), masters(t, key1))
	box := id.New[id.Mailbox]()
	k, err := s.CreateUser(t.Context(), userA)
	must(t, err)
	_, err = s.CreateSalt(t.Context(), k, box)
	must(t, err)
	at := vault.Place{Table: "mailboxes", Column: "password", Row: "1", User: userA}
	backup := k.Seal(at, vault.NewSecret(canary))

	for range 2 {
		must(t, s.DestroyUser(t.Context(), userA))
	}
	_, err = s.User(t.Context(), userA)
	wantFault(t, err, "key_missing")
	again, err := s.CreateUser(t.Context(), userA)
	must(t, err)
	if _, err := again.Open(at, backup); err == nil {
		t.Error("the backup opens after the wipe")
	}
	if _, err := s.Salt(t.Context(), again, box); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the salt is still there after the wipe: %v", err)
	}
}

func TestADestroyedSaltIsGoneAndOthersStay(t *testing.T) {
	t.Parallel()
	s := vault.NewStore(new(vaulttest.Memory), masters(t, key1))
	k, err := s.CreateUser(t.Context(), userA)
	must(t, err)
	boxes := [2]id.Mailbox{id.New[id.Mailbox](), id.New[id.Mailbox]()}
	for _, b := range boxes {
		_, err := s.CreateSalt(t.Context(), k, b)
		must(t, err)
	}
	must(t, s.DestroySalt(t.Context(), userA, boxes[0]))
	must(t, s.DestroySalt(t.Context(), userA, boxes[0]))
	if _, err := s.Salt(t.Context(), k, boxes[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("destroyed salt: %v", err)
	}
	if _, err := s.Salt(t.Context(), k, boxes[1]); err != nil {
		t.Errorf("the other mailbox's salt: %v", err)
	}
	if _, err := s.User(t.Context(), userA); err != nil {
		t.Errorf("the user's key: %v", err)
	}
}

func TestNoKeyTypePrintsAKey(t *testing.T) {
	t.Parallel()
	root := vault.NewSecret(bytes.Repeat([]byte("k3y!"), 8))
	k := vault.NewUserKey(userA, root)
	for _, v := range []any{k, *k, k.MailboxKeys(root), masters(t, key1), vault.NewStore(new(vaulttest.Memory), masters(t, key1))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			got := fmt.Sprintf(verb, v)
			for _, secret := range []vault.Secret{root, k.PageKey()} {
				if bytes.Contains([]byte(got), secret.Reveal()) || bytes.Contains([]byte(got), fmt.Appendf(nil, "%x", secret.Reveal())) {
					t.Errorf("%s of %T prints a key", verb, v)
				}
			}
		}
	}
}
