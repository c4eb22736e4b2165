package vaulttest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// rotating names the key store that a child of a test is to rotate.
const rotating = "SMTP_SYNC_TEST_ROTATING"

// Child is for TestMain: in a process that Rotation has started it rotates the
// key store that it is told of, says so on its standard output with an octet a
// record, and ends the process. Elsewhere it returns.
func Child(open func(ctx context.Context, where string) (vault.Shelf, error)) {
	where, ok := os.LookupEnv(rotating)
	if !ok {
		return
	}
	err := func() error {
		shelf, err := open(context.Background(), where)
		if err != nil {
			return err
		}
		masters, err := vault.ParseMasterKeys(vault.NewSecret(os.Getenv(rotating + "_MASTERS")))
		if err != nil {
			return err
		}
		_, err = vault.NewStore(telling{shelf}, masters).Rotate(context.Background())
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// telling says when a record was replaced.
type telling struct{ vault.Shelf }

func (s telling) Swap(ctx context.Context, name string, old, next []byte) error {
	err := s.Shelf.Swap(ctx, name, old, next)
	if err == nil {
		_, _ = os.Stdout.Write([]byte{'.'})
	}
	return err
}

// Rotation rotates the master key of a key store with many users, who are at
// work on several nodes with different lists of master keys, in a process that
// is killed again and again in the middle. Nobody ever fails to get his keys,
// who is wiped stays wiped, and at its end the old master key opens nothing.
//
// shelf opens the same key store each time, as another process would; where is
// what Child opens it by. SMTP_SYNC_TEST_ROTATED_USERS sets the number of users.
func Rotation(t *testing.T, users int, where string, shelf func(t *testing.T) vault.Shelf) {
	if n, err := strconv.Atoi(os.Getenv("SMTP_SYNC_TEST_ROTATED_USERS")); err == nil {
		users = n
	}
	w := &rotation{t: t, old: vault.GenerateMaster().RevealString(), fresh: vault.GenerateMaster().RevealString(), where: where}
	w.begin(users, shelf)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() { w.work(ctx) })
	}
	load.Go(func() { w.comeAndGo(ctx) })
	began := time.Now()
	kills := w.rotateAndKill(users)
	took := time.Since(began)
	cancel()
	load.Wait()
	// One node has gone on to wrap new users under the old key.
	must(t, w.nodes[0].OrderRotation(t.Context()))
	if _, err := w.nodes[0].Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	w.after()
	t.Logf("%d users, killed %d times in the middle, %v: %d times a key was asked for, %d made, %d wiped; %d failed",
		users, kills, took.Round(time.Millisecond), w.asked.Load(), w.made, len(w.wiped), w.failed.Load())
}

type rotation struct {
	t          *testing.T
	old, fresh string // master keys
	where      string
	nodes      []*vault.Store // the first two wrap under the new one
	users      []id.User      // who stay
	pages      []vault.Secret
	boxes      []id.Mailbox // a mailbox of each
	goners     []id.User
	wiped      []id.User

	asked, failed atomic.Int64
	made          int
	alone         *vault.Store // with the new master key only
}

func (w *rotation) masters(list string) *vault.MasterKeys {
	m, err := vault.ParseMasterKeys(vault.NewSecret(list))
	must(w.t, err)
	return m
}

func (w *rotation) begin(users int, shelf func(t *testing.T) vault.Shelf) {
	w.t.Helper()
	before := vault.NewStore(shelf(w.t), w.masters(w.old))
	_, err := before.EnsureSystem(w.t.Context())
	must(w.t, err)
	w.users, w.pages, w.boxes = make([]id.User, users), make([]vault.Secret, users), make([]id.Mailbox, users)
	var all sync.WaitGroup
	for start := range 4 {
		all.Go(func() {
			for i := start; i < users; i += 4 {
				w.users[i], w.boxes[i] = id.New[id.User](), id.New[id.Mailbox]()
				k, err := before.CreateUser(w.t.Context(), w.users[i])
				if err == nil && i%10 == 0 {
					_, err = before.CreateSalt(w.t.Context(), k, w.boxes[i])
				}
				if err != nil {
					w.t.Error(err)
					return
				}
				w.pages[i] = k.PageKey()
			}
		})
	}
	all.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
	n := users / 50
	w.goners, w.users, w.pages, w.boxes = w.users[:n], w.users[n:], w.pages[n:], w.boxes[n:]

	both := w.fresh + "," + w.old
	follower := vault.NewStore(shelf(w.t), w.masters(w.old)) // began before there was a new key
	follower.Follow(func() (*vault.MasterKeys, error) { return vault.ParseMasterKeys(vault.NewSecret(both)) })
	w.nodes = []*vault.Store{
		vault.NewStore(shelf(w.t), w.masters(both)), vault.NewStore(shelf(w.t), w.masters(both)),
		vault.NewStore(shelf(w.t), w.masters(w.old+","+w.fresh)), follower,
	}
	w.alone = vault.NewStore(shelf(w.t), w.masters(w.fresh))
	must(w.t, w.nodes[0].OrderRotation(w.t.Context()))
}

// work asks for keys, as mailboxes that are due do, until it is told to stop.
func (w *rotation) work(stop context.Context) {
	ctx := w.t.Context()
	for stop.Err() == nil {
		node, i := w.nodes[rand.IntN(len(w.nodes))], rand.IntN(len(w.users))
		w.asked.Add(1)
		k, err := node.User(ctx, w.users[i])
		if err == nil && !k.PageKey().Equal(w.pages[i]) {
			err = errors.New("another key")
		}
		if err == nil && (i+len(w.goners))%10 == 0 {
			_, err = node.Salt(ctx, k, w.boxes[i])
		}
		if err != nil {
			w.failed.Add(1)
			w.t.Errorf("a user's key: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

// comeAndGo makes users, wipes others, and changes the keys of some.
func (w *rotation) comeAndGo(stop context.Context) {
	ctx := w.t.Context()
	fail := func(what string, err error) {
		if err != nil {
			w.failed.Add(1)
			w.t.Errorf("%s: %v", what, err)
		}
	}
	for i := 0; stop.Err() == nil; i++ {
		node := w.nodes[i%len(w.nodes)]
		who := id.New[id.User]()
		_, err := node.CreateUser(ctx, who)
		fail("a new user", err)
		w.made++
		_, err = node.TurnPage(ctx, who)
		fail("a new page key", err)
		fail("the end of the former", node.DropPage(ctx, who))
		if i < len(w.goners) {
			fail("a wipe", node.DestroyUser(ctx, w.goners[i]))
			w.wiped = append(w.wiped, w.goners[i])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// rotateAndKill runs the rotation in processes of their own, each but the last
// of which is killed after some records.
func (w *rotation) rotateAndKill(users int) (kills int) {
	w.t.Helper()
	for {
		cmd := exec.CommandContext(w.t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), rotating+"="+w.where, rotating+"_MASTERS="+w.fresh+","+w.old)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(w.t, err)
		must(w.t, cmd.Start())
		r := bufio.NewReaderSize(out, 16)
		seen := int64(0)
		if kills < 5 {
			seen, _ = io.CopyN(io.Discard, r, int64(1+rand.IntN(max(users/8, 1))))
			_ = cmd.Process.Kill() // SIGKILL
		}
		rest, _ := io.Copy(io.Discard, r)
		err = cmd.Wait()
		switch {
		case err == nil:
			return kills
		case kills >= 5:
			w.t.Fatalf("rotation: %v", err)
		case seen+rest > 0:
			kills++
			if to, err := w.nodes[0].RotationOrdered(w.t.Context()); err != nil || to == "" {
				w.t.Fatalf("killed in the middle: order = %q, %v, want that it stays", to, err)
			}
		default:
			w.t.Fatalf("rotation: %v", err)
		}
	}
}

func (w *rotation) after() {
	ctx := w.t.Context()
	if to, err := w.alone.RotationOrdered(ctx); to != "" || err != nil {
		w.t.Errorf("ordered = %q, %v, want that it is done", to, err)
	}
	count, err := w.alone.Census(ctx)
	if want := 2 + len(w.users) + len(w.goners) - len(w.wiped) + w.made; err != nil || len(count) != 1 || count[w.alone.MasterIDs()[0]] != want {
		w.t.Errorf("keys by master key = %v, %v; want %d under %s alone", count, err, want, w.alone.MasterIDs()[0])
	}
	for i, u := range w.users {
		k, err := w.alone.User(ctx, u)
		if err != nil || !k.PageKey().Equal(w.pages[i]) {
			w.t.Fatalf("a user's key after the rotation, without the old master key: %v", err)
		}
	}
	for _, u := range w.wiped {
		if _, err := w.alone.User(ctx, u); !errors.Is(err, fs.ErrNotExist) {
			w.t.Errorf("who was wiped during the rotation has a key: %v", err)
		}
	}
}
