package vault_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/vault/vaulttest"
)

func openDir(t *testing.T, path string) *vault.Dir {
	t.Helper()
	d, err := vault.OpenDir(path)
	must(t, err)
	return d
}

func TestDirectoryShelf(t *testing.T) {
	t.Parallel()
	vaulttest.Run(t, func(t *testing.T) vault.Shelf { return openDir(t, filepath.Join(t.TempDir(), "data", "keys")) })
}

// either does one thing in one process and the next in another.
type either struct {
	vault.Shelf
	other vault.Shelf
	turn  atomic.Int64
}

func (e *either) one() vault.Shelf {
	if e.turn.Add(1)%2 == 0 {
		return e.other
	}
	return e.Shelf
}

func (e *either) Create(ctx context.Context, name string, record []byte) error {
	return e.one().Create(ctx, name, record)
}

func (e *either) Swap(ctx context.Context, name string, old, next []byte) error {
	return e.one().Swap(ctx, name, old, next)
}

func (e *either) Destroy(ctx context.Context, name string) error { return e.one().Destroy(ctx, name) }

func TestDirectoryOfTwoProcesses(t *testing.T) {
	t.Parallel()
	vaulttest.Run(t, func(t *testing.T) vault.Shelf {
		dir := t.TempDir()
		return &either{Shelf: openDir(t, dir), other: openDir(t, dir)}
	})
}

// files lists everything below dir.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	}))
	return names
}

func TestKeyFilesAreForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "keys")
	s := vault.NewStore(openDir(t, dir), masters(t, key1))
	_, err := s.EnsureSystem(t.Context())
	must(t, err)
	k, err := s.CreateUser(t.Context(), userA)
	must(t, err)
	_, err = s.CreateSalt(t.Context(), k, id.New[id.Mailbox]())
	must(t, err)
	_, err = vault.NewStore(openDir(t, dir), masters(t, key2+","+key1)).Rewrap(t.Context())
	must(t, err)
	names := append(files(t, dir), ".", "..")
	if len(names) != 10 {
		t.Errorf("files = %q, want 4 records in 4 directories and nothing left over", names)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		want := fs.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("mode of %s = %o, want %o", name, info.Mode().Perm(), want)
		}
	}
}

func TestADestroyedRecordIsOverwrittenAndSoAreItsHalfWrittenCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir)
	record := []byte("wrapped key record")
	must(t, d.Create(t.Context(), "users/1/key", record))
	must(t, d.Create(t.Context(), "users/1/salts/2", record))
	// What a crash between the two steps of a write leaves behind.
	must(t, os.WriteFile(filepath.Join(dir, "users/1/key.123.tmp"), record, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "users/1/salts/2.9.tmp"), record, 0o600))
	// Second names of the same files show what becomes of their blocks.
	away := t.TempDir()
	kept := map[string]string{"users/1/key": "a", "users/1/key.123.tmp": "b", "users/1/salts/2": "c", "users/1/salts/2.9.tmp": "d"}
	for name, k := range kept {
		must(t, os.Link(filepath.Join(dir, name), filepath.Join(away, k)))
	}
	must(t, d.Destroy(t.Context(), "users/1/key"))
	if got, want := files(t, dir), []string{"users", "users/1", "users/1/salts", "users/1/salts/2", "users/1/salts/2.9.tmp"}; !slices.Equal(got, want) {
		t.Errorf("after the key's end there is %q, want %q", got, want)
	}
	must(t, d.Destroy(t.Context(), "users/1"))
	if got, want := files(t, dir), []string{"users"}; !slices.Equal(got, want) {
		t.Errorf("after the user's end there is %q, want %q", got, want)
	}
	for name, k := range kept {
		if b, err := os.ReadFile(filepath.Join(away, k)); err != nil || !bytes.Equal(b, make([]byte, len(record))) {
			t.Errorf("blocks of %s hold %q, %v; want zeros", name, b, err)
		}
	}
}

func TestAReplacedRecordIsOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir)
	must(t, d.Create(t.Context(), "system/page", []byte("under old master")))
	old := filepath.Join(t.TempDir(), "old")
	must(t, os.Link(filepath.Join(dir, "system/page"), old))
	must(t, d.Swap(t.Context(), "system/page", []byte("under old master"), []byte("under new")))
	if b, err := os.ReadFile(old); err != nil || !bytes.Equal(b, make([]byte, 16)) {
		t.Errorf("blocks of the old record hold %q, %v; want zeros", b, err)
	}
}

func TestLeftoversOfACrashAreNoRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir)
	must(t, d.Create(t.Context(), "users/1/key", []byte("x")))
	for _, name := range []string{"users/1/key.77.tmp", "users/2.tmp", "README.txt", ".lock"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	var got []string
	for r, err := range d.List(t.Context()) {
		must(t, err)
		got = append(got, r.Name)
	}
	if want := []string{"users/1/key"}; !slices.Equal(got, want) {
		t.Errorf("records = %q, want %q", got, want)
	}
}

func TestReadersNeverSeeARecordHalfReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writer, reader := openDir(t, dir), openDir(t, dir) // as two processes
	a, b := bytes.Repeat([]byte("a"), 65), bytes.Repeat([]byte("b"), 65)
	must(t, writer.Create(t.Context(), "system/page", a))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		old, next := a, b
		for range 100 {
			if err := writer.Swap(t.Context(), "system/page", old, next); err != nil {
				t.Error(err)
				return
			}
			old, next = next, old
		}
	})
	for open := true; open; {
		got, err := reader.Get(t.Context(), "system/page")
		if err != nil || !bytes.Equal(got, a) && !bytes.Equal(got, b) {
			t.Fatalf("read %q, %v", got, err)
		}
		select {
		case <-done:
			open = false
		default:
		}
	}
	wg.Wait()
}

func TestNamesNeverLeaveTheShelf(t *testing.T) {
	t.Parallel()
	d := openDir(t, t.TempDir())
	for _, name := range []string{"", ".", "..", "../x", "users/../../x", "/etc/passwd", "users//key", "users/", "a.tmp", "A", "a\x00b"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("name %q was let through", name)
				}
			}()
			_, _ = d.Get(t.Context(), name)
		}()
	}
}

func TestAFileInPlaceOfTheDirectoryIsSaid(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	must(t, os.WriteFile(path, nil, 0o600))
	_, err := vault.OpenDir(path)
	wantFault(t, err, "storage", path, "not a directory")
	_, err = vault.OpenDir(filepath.Join(path, "below"))
	wantFault(t, err, "storage", path)
}

func TestKeyStoreURLNamesADirectory(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"file:///var/lib/keys": "/var/lib/keys", "file:///var/lib/keys/": "/var/lib/keys", "file://localhost/var/keys": "/var/keys",
		"file://./data/keys": "data/keys",
	} {
		if got, err := vault.DirURL(raw); err != nil || got != want {
			t.Errorf("DirURL(%q) = %q, %v; want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "/var/lib/keys", "file://", "file:///", "file://host/keys", "file:///k?x=1", "postgres://u:" + canary + "@h/db", "file://%zz"} {
		_, err := vault.DirURL(raw)
		wantFault(t, err, "config", "SMTPSYNC_KEYSTORE_URL")
		if strings.Contains(err.Error(), canary) {
			t.Errorf("error %q repeats a password", err)
		}
	}
}

func TestMasterFileIsMadeOnceAndStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "master.key")
	var mu sync.Mutex
	var wg sync.WaitGroup
	ids := map[string]int{}
	for range 8 { // as many processes that start at once
		wg.Go(func() {
			m, err := vault.LoadOrCreateFile(path)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[m.IDs()[0]]++
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("keys = %v, want the same for all", ids)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode() != 0o600 || len(files(t, filepath.Dir(path))) != 1 {
		t.Errorf("mode = %v among %q, want 0600 and nothing left over", info.Mode(), files(t, filepath.Dir(path)))
	}
}

func TestBadMasterFilesAreRefusedAndKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		mode fs.FileMode
		want string
	}{
		"others may read":  {key1 + "\n", 0o604, "chmod 600"},
		"group may read":   {key1 + "\n", 0o640, "(mode 0640): run: chmod 600"},
		"empty":            {"", 0o600, "holds no key"},
		"cut off":          {key1[:28], 0o600, "21 octets long instead of 32"},
		"two lines":        {key1 + "\n" + key2 + "\n", 0o600, "not plain base64"},
		"a large file":     {strings.Repeat(key1+",", 1000), 0o600, "too large"},
		"no base64 at all": {"\x00\xff", 0o600, "not plain base64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "master.key")
			must(t, os.WriteFile(path, []byte(c.text), 0o600))
			must(t, os.Chmod(path, c.mode))
			_, err := vault.LoadOrCreateFile(path)
			wantFault(t, err, "master_key", path, c.want)
			if b, err := os.ReadFile(path); err != nil || string(b) != c.text {
				t.Errorf("the file was changed to %q, %v", b, err)
			}
		})
	}
	_, err := vault.LoadOrCreateFile(t.TempDir())
	wantFault(t, err, "master_key", "not a regular file")
	path := filepath.Join(t.TempDir(), "master.key")
	must(t, os.WriteFile(path, []byte(key2+","+key1+"\r\n"), 0o600))
	if m, err := vault.LoadOrCreateFile(path); err != nil || !slices.Equal(m.IDs(), []string{"633b1ff1", "1f3c7121"}) {
		t.Errorf("a list of two in a file = %v", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.Error("a directory counts as a missing file")
	}
}

// TestARecordThatIsBeingDestroyedIsMissing, and not damaged: another process
// overwrites it before its name goes, and may die between the two.
func TestARecordThatIsBeingDestroyedIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir)
	must(t, d.Create(t.Context(), "system/rotation", []byte("x")))
	must(t, os.WriteFile(filepath.Join(dir, "system/rotation"), make([]byte, 8), 0o600))
	if _, err := d.Get(t.Context(), "system/rotation"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get = %v, want %v", err, fs.ErrNotExist)
	}
	for r, err := range d.List(t.Context()) {
		t.Errorf("List gives %s, %v", r.Name, err)
	}
	must(t, d.Create(t.Context(), "system/rotation", []byte("y")))
	if b, err := d.Get(t.Context(), "system/rotation"); err != nil || string(b) != "y" {
		t.Errorf("made anew: %q, %v", b, err)
	}
	reader, done := openDir(t, dir), make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			if err := errors.Join(d.Destroy(t.Context(), "system/rotation"), d.Create(t.Context(), "system/rotation", []byte("y"))); err != nil {
				t.Error(err)
			}
		}
	}()
	for open := true; open; {
		if b, err := reader.Get(t.Context(), "system/rotation"); err == nil && string(b) != "y" || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("read %q, %v", b, err)
		}
		select {
		case <-done:
			open = false
		default:
		}
	}
}
