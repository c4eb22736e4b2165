package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/vault/vaulttest"
)

func TestARotationIsOrderedDoneAndForgotten(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	old := vault.NewStore(shelf, masters(t, key1))
	_, err := old.EnsureSystem(t.Context())
	must(t, err)
	_, err = old.CreateUser(t.Context(), userA)
	must(t, err)
	if moved, err := old.Rotate(t.Context()); moved != 0 || err != nil {
		t.Errorf("nothing was ordered: Rotate = %d, %v", moved, err)
	}
	both := vault.NewStore(shelf, masters(t, key2+","+key1))
	if moved, err := both.Rotate(t.Context()); moved != 0 || err != nil {
		t.Errorf("nothing was ordered: Rotate = %d, %v", moved, err)
	}
	must(t, both.OrderRotation(t.Context()))
	must(t, both.OrderRotation(t.Context()))
	if to, err := old.RotationOrdered(t.Context()); to != "633b1ff1" || err != nil {
		t.Errorf("ordered = %q, %v", to, err)
	}

	// Who does not have the new key himself, or not in front, wraps nothing: after
	// its next start it could not open what it has wrapped.
	_, err = old.Rotate(t.Context())
	wantFault(t, err, "master_key", "under master key 633b1ff1", "given are 1f3c7121", "SMTPSYNC_MASTER_KEY")
	_, err = vault.NewStore(shelf, masters(t, key1+","+key2)).Rotate(t.Context())
	wantFault(t, err, "master_key", "1f3c7121 comes before it")
	wantCensus(t, both, map[string]int{"1f3c7121": 3})

	if moved, err := both.Rotate(t.Context()); moved != 3 || err != nil {
		t.Errorf("Rotate = %d, %v; want 3", moved, err)
	}
	wantCensus(t, both, map[string]int{"633b1ff1": 3})
	if to, err := both.RotationOrdered(t.Context()); to != "" || err != nil {
		t.Errorf("after its end ordered = %q, %v", to, err)
	}
}

func TestALaterOrderTakesThePlaceOfAnEarlier(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	_, err := vault.NewStore(shelf, masters(t, key1)).CreateUser(t.Context(), userA)
	must(t, err)
	must(t, vault.NewStore(shelf, masters(t, key2+","+key1)).OrderRotation(t.Context()))
	last := vault.NewStore(shelf, masters(t, key3+","+key2+","+key1))
	must(t, last.OrderRotation(t.Context()))
	if moved, err := last.Rotate(t.Context()); moved != 1 || err != nil {
		t.Errorf("Rotate = %d, %v", moved, err)
	}
	wantCensus(t, last, map[string]int{"3db57f9d": 1})
}

func TestARotationThatMeetsAKeyItCannotOpenKeepsItsOrder(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	for i, key := range []string{key1, key3} {
		_, err := vault.NewStore(shelf, masters(t, key)).CreateUser(t.Context(), id.User{15: byte(i)})
		must(t, err)
	}
	both := vault.NewStore(shelf, masters(t, key2+","+key1))
	must(t, both.OrderRotation(t.Context()))
	moved, err := both.Rotate(t.Context())
	wantFault(t, err, "master_key", "3db57f9d")
	if to, _ := both.RotationOrdered(t.Context()); moved != 1 || to != "633b1ff1" {
		t.Errorf("moved = %d, the order = %q; want 1, and the order to stay", moved, to)
	}
}

// coming lets a user come under the old master key at the first Swap: after
// the list of the records was made.
type coming struct {
	vault.Shelf
	come func()
}

func (c *coming) Swap(ctx context.Context, name string, old, next []byte) error {
	if come := c.come; come != nil {
		c.come = nil
		come()
	}
	return c.Shelf.Swap(ctx, name, old, next)
}

func TestARotationTakesThoseWhoCameMeanwhile(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	old := vault.NewStore(shelf, masters(t, key1))
	_, err := old.CreateUser(t.Context(), userA)
	must(t, err)
	both := vault.NewStore(&coming{shelf, func() {
		_, err := old.CreateUser(t.Context(), userB)
		must(t, err)
	}}, masters(t, key2+","+key1))
	must(t, both.OrderRotation(t.Context()))
	if moved, err := both.Rotate(t.Context()); moved != 2 || err != nil {
		t.Errorf("Rotate = %d, %v; want 2", moved, err)
	}
	wantCensus(t, both, map[string]int{"633b1ff1": 2})
}

func TestWhoMeetsANewerMasterKeyLooksForIt(t *testing.T) {
	t.Parallel()
	shelf := new(vaulttest.Memory)
	file := filepath.Join(t.TempDir(), "master.key")
	must(t, os.WriteFile(file, []byte(key1+"\n"), 0o600))
	service := vault.NewStore(shelf, masters(t, key1))
	service.Follow(func() (*vault.MasterKeys, error) { return vault.LoadFile(file) })
	_, err := service.CreateUser(t.Context(), userA)
	must(t, err)

	m, err := vault.AddToFile(file, "1f3c7121")
	must(t, err)
	_, err = vault.NewStore(shelf, m).CreateUser(t.Context(), userB) // as login beside it
	must(t, err)
	if _, err := service.User(t.Context(), userB); err != nil {
		t.Errorf("the running service does not open what lies under the new key: %v", err)
	}
	if got := service.MasterIDs(); !slices.Equal(got, m.IDs()) {
		t.Errorf("loaded = %q, want %q", got, m.IDs())
	}
	// An older key that is taken out too early opens until the process ends.
	must(t, os.WriteFile(file, []byte(key3+"\n"), 0o600))
	must(t, service.Reload())
	if _, err := service.User(t.Context(), userA); err != nil {
		t.Errorf("a key that was loaded once is lost: %v", err)
	}
	must(t, os.Chmod(file, 0o644))
	_, err = vault.NewStore(shelf, masters(t, key2)).CreateUser(t.Context(), id.User{15: 9})
	must(t, err)
	_, err = service.User(t.Context(), id.User{15: 9})
	wantFault(t, err, "master_key", "can be read by other users")
}

func TestAMasterKeyIsAddedOnceWhateverStartsAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "master.key")
	must(t, os.WriteFile(file, []byte(key1+"\n"), 0o600))
	var mu sync.Mutex
	newest := map[string]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			m, err := vault.AddToFile(file, "1f3c7121")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			newest[strings.Join(m.IDs(), ",")]++
		})
	}
	wg.Wait()
	info, err := os.Stat(file)
	must(t, err)
	if len(newest) != 1 || info.Mode() != 0o600 || len(files(t, filepath.Dir(file))) != 1 {
		t.Errorf("keys = %v with mode %v among %q, want one new key before the old one, mode 0600, nothing left over", newest, info.Mode(), files(t, filepath.Dir(file)))
	}
	for ids := range newest {
		if !strings.HasSuffix(ids, ",1f3c7121") || len(ids) != 17 {
			t.Errorf("keys = %q, want a new one before the old one", ids)
		}
	}
	before, err := os.ReadFile(file)
	must(t, err)
	for {
		m, err := vault.LoadFile(file)
		must(t, err)
		if _, err = vault.AddToFile(file, m.IDs()[0]); err != nil {
			wantFault(t, err, "master_key", "no room")
			break
		}
	}
	if after, err := os.ReadFile(file); err != nil || !strings.HasSuffix(string(after), string(before)) {
		t.Errorf("a key was lost on the way: %v", err)
	}
	if _, err := vault.AddToFile(file+".none", "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file = %v, want %v", err, os.ErrNotExist)
	}
}

func TestMain(m *testing.M) {
	vaulttest.Child(func(_ context.Context, dir string) (vault.Shelf, error) { return vault.OpenDir(dir) })
	os.Exit(m.Run())
}

// A file that is made durable takes a while: fewer users than on Postgres, which
// waits less (SMTP_SYNC_TEST_ROTATED_USERS says how many).
func TestRotationUnderLoadIsKilledAndFailsNobody(t *testing.T) {
	dir := t.TempDir()
	vaulttest.Rotation(t, 400, dir, func(t *testing.T) vault.Shelf { return openDir(t, dir) })
}
