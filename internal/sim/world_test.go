package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// world is everything outside the program, and what is durable of it: users
// with their mailboxes and Gmail accounts, ledgers, registry.
type world struct {
	t        testing.TB
	seed     uint64
	faults   *faults
	dice     *rand.Rand // of fate alone
	users    []*user
	boxes    []*box
	unfenced bool
	registry *registry
	days     quota.Memory
	limits   quota.Limits
	budget   *budget

	mu    sync.Mutex
	texts map[seal]*text
	sins  []string // of the program, as they were seen

	current atomic.Pointer[process] // who owns the ledgers
	dying   chan death
	passes  atomic.Int64
	empty   atomic.Int64 // of these, those that found nothing changed
}

// user has one Gmail account and some mailboxes.
type user struct {
	name      string
	id        id.User
	key       *vault.UserKey
	ledger    *ledger.Memory
	gmail     *gmail
	boxes     []*box
	connected atomic.Bool  // the grant is in the store
	expired   atomic.Int64 // upload sessions that were forgotten
}

// box is one remote mailbox, as its owner has set it up.
type box struct {
	w    *world
	u    *user
	id   id.Mailbox
	name string
	lane uint64
	keys *vault.MailboxKeys
	drop *maildrop

	policy bridge.Disposal
	keep   int // days, where the policy is to delete
	push   bool
	newest bool
	poll   time.Duration
	weak   bool         // mail here has headers that tell little
	way    atomic.Int64 // its rules; 0: none

	mu        sync.Mutex
	written   int // letters so far
	downUntil time.Time
	wait      time.Duration // LOGIN-DELAY
	lastVisit time.Time     // end of the last session that went through
	renames   int
	trouble   map[*text]int // times that a message was not handed out
	watch     watch
	diary     diary
	failed    bool // by the oracle
}

// plan of one run.
type plan struct {
	seed    uint64
	users   int
	boxes   int // of each user
	history int // letters in each mailbox at the beginning
	mail    int // and those that come, in all of the time
	time    time.Duration
	odds    uint64 // percent of the ordinary
	large   bool   // some mail of many megabytes
	open    bool   // nothing fences a process that was taken over from
}

func newWorld(t testing.TB, p plan, tab *table) *world {
	w := &world{
		t: t, seed: p.seed, unfenced: p.open, faults: newFaults(p.seed, p.odds, tab), dice: rand.New(rand.NewPCG(p.seed, 1)),
		registry: newRegistry(), texts: make(map[seal]*text), dying: make(chan death, 64),
		limits: quota.Limits{UnitsPerUserMinute: 20 * importUnits, UnitsPerProjectMinute: 60 * importUnits, BytesPerUserDay: 4 << 20, UnitsPerProjectDay: 10_000 * importUnits},
	}
	if p.large {
		w.limits.BytesPerUserDay = 64 << 20
	}
	w.budget = newBudget(w)
	for i := range p.users {
		w.addUser(fmt.Sprint("u", i), p)
	}
	return w
}

func (w *world) addUser(name string, p plan) {
	u := &user{name: name, id: id.User(idOf(name)), ledger: ledger.NewMemory()}
	u.key = vault.NewUserKey(u.id, vault.NewSecret(fmt.Sprintf("%32s", name)))
	u.gmail = &gmail{w: w, u: u, name: name, sessions: make(map[string]*upload), granted: true}
	u.connected.Store(true)
	w.users = append(w.users, u)
	for i := range p.boxes {
		b := w.addBox(u, fmt.Sprintf("%sb%d", name, i))
		for range p.history {
			b.deliver(p.large)
		}
	}
}

func (w *world) addBox(u *user, name string) *box {
	r := w.dice
	k := kind(r.IntN(3))
	folders := []string{""}
	if k == imap {
		folders = [][]string{{"INBOX"}, {"INBOX", "Work"}, {"INBOX", "Old", "Junk"}}[r.IntN(3)]
	}
	b := &box{
		w: w, u: u, id: id.Mailbox(idOf(name)), name: name, lane: r.Uint64N(2), drop: newMaildrop(k, folders...),
		keys:   u.key.MailboxKeys(vault.NewSecret(fmt.Sprintf("%32s", name))),
		policy: []bridge.Disposal{bridge.Leave, bridge.Delete, bridge.Seen, bridge.Move}[r.IntN(4)],
		newest: r.IntN(3) == 0, poll: []time.Duration{0, 0, 2 * time.Minute, 30 * time.Minute}[r.IntN(4)],
		trouble: make(map[*text]int),
	}
	b.push = k == imap && len(folders) == 1 && r.IntN(2) == 0
	b.weak = k == imap && r.IntN(4) == 0
	b.way.Store(r.Int64N(ways))
	if k != imap && b.policy == bridge.Seen {
		b.policy = bridge.Leave
	}
	if k != imap && b.policy == bridge.Move {
		b.policy = bridge.Delete
	}
	if b.policy == bridge.Delete {
		b.keep = r.IntN(3) / 2
	}
	u.boxes, w.boxes = append(u.boxes, b), append(w.boxes, b)
	w.registry.add(u, b)
	return b
}

// deliver brings a new message, or one that is equal to an earlier one.
func (b *box) deliver(large bool) {
	r := b.w.dice
	folder, seen := r.IntN(3), r.IntN(5) == 0
	if !b.weak && r.IntN(15) == 0 && !b.dooms() { // a twin of something that is there
		if l := b.drop.pick(r, func(l *letter) bool { return !l.poison && !l.stuck }); l != nil {
			there := false
			b.w.note(l.text, func(t *text) {
				if there = t.removed+t.deleted == 0; there {
					t.ever++
				}
			})
			if there {
				b.drop.put(folder, l.text, seen)
				b.tell("twin", l.name)
				return
			}
		}
	}
	size := 300 + r.IntN(6000)
	switch n := r.IntN(100); {
	case n < 3:
		size = 300_000 + r.IntN(400_000) // larger than the window
	case n < 6:
		size = 40_000 + r.IntN(60_000)
	case large && n < 10:
		size = 9<<20 + r.IntN(9<<20) // checkpoints
	}
	b.mu.Lock()
	b.written++
	n := b.written
	b.mu.Unlock()
	t := &text{name: fmt.Sprint(b.name, " ", n), raw: write(b.name, n, size, b.weak, time.Now()), box: b, weak: b.weak, books: books{ever: 1}}
	t.content = b.keys.Content(t.header())
	t.poison = r.IntN(60) == 0
	// One without id and header has no identity to be remembered by.
	t.stuck = b.drop.kind != nameless && r.IntN(80) == 0
	b.w.mu.Lock()
	b.w.texts[sealOf(t.raw)] = t
	b.w.mu.Unlock()
	b.drop.put(folder, t, seen)
	b.tell("new", t.name)
}

// dooms reports a session that may delete messages without id. A twin that
// comes meanwhile is taken for the one that was deleted if the process dies
// before it can note that: nobody can tell (docs/rationale.md).
func (b *box) dooms() bool {
	d := b.drop
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kind == nameless && b.policy == bridge.Delete && d.holder != nil
}

// note changes the books about a text.
func (w *world) note(t *text, change func(*text)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(t)
}

// remove is the owner's removal of a message. He keeps those of which there
// are several: a twin that comes while its like is moved and removed is told
// from it by nobody.
func (b *box) remove(l *letter) bool {
	may := false
	b.w.note(l.text, func(t *text) {
		if may = t.ever == 1 && t.removed == 0; may {
			t.removed++
		}
	})
	if may && len(b.drop.take(l)) == 0 { // we were faster
		b.w.note(l.text, func(t *text) { t.removed-- })
		return false
	}
	return may
}

// deleted notes that we have removed messages: each must be in Gmail, and the
// ledger must say so.
func (b *box) deleted(letters []*letter) {
	for _, l := range letters {
		early, unsettled, first := false, false, time.Time{}
		imported := b.settled(l.text)
		b.tell("deleted", l.name)
		b.w.note(l.text, func(t *text) {
			t.deleted++
			early, unsettled, first = t.deleted > t.copies, t.deleted > imported, t.first
		})
		if b.policy != bridge.Delete && b.policy != bridge.Move {
			b.sin("a message was deleted against its owner's will")
		}
		if age := time.Since(first); age < time.Duration(b.keep)*24*time.Hour {
			b.sin("a message was deleted %v after its import, and was to be kept %d days", age, b.keep)
		}
		if early {
			b.sin("a message was deleted that is not in Gmail")
		}
		if unsettled {
			b.sin("a message was deleted that is not settled")
		}
	}
}

// settled counts the messages with this text that the ledger has as imported.
func (b *box) settled(t *text) (n int) {
	for _, e := range b.entries() {
		if e.Content == t.content && e.State == ledger.Imported {
			n++
		}
	}
	return n
}

// gone reports that the ledger has a message with this text as deleted.
func (b *box) gone(t *text) bool {
	return slices.ContainsFunc(b.entries(), func(e ledger.Entry) bool { return e.Content == t.content && e.Absent })
}

// entries reads the ledger, which everybody may.
func (b *box) entries() []ledger.Entry {
	entries, _ := b.w.current.Load().owners[b.u.id].Mailbox(b.id).Entries(context.Background())
	return entries
}

// imported notes a copy in Gmail.
func (w *world) imported(t *text) {
	copies, ever := 0, 0
	t.box.tell("imported", t.name)
	gone := t.box.gone(t)
	w.note(t, func(t *text) {
		if t.copies++; t.copies == 1 {
			t.first = time.Now()
		}
		if t.copies > t.ever+t.spare && t.unsure && gone {
			t.spare++
		}
		copies, ever = t.copies, t.ever+t.spare
	})
	if copies > ever {
		t.box.sin("a message is in Gmail %d times, and there were %d", copies, ever)
	}
}

// arrived finds what Gmail has got.
func (w *world) arrived(s seal) *text {
	w.mu.Lock()
	t := w.texts[s]
	w.mu.Unlock()
	if t == nil {
		w.sin("Gmail got a message that never was")
		t = &text{poison: true}
	}
	return t
}

func (b *box) strike(at step) fault {
	return b.w.faults.strike(b.name, at, func(f fault) bool {
		switch f {
		case inUse, loginDelay:
			return b.drop.kind != imap
		case renumber: // then ids cannot tell two processes from each other: that takes the fence
			return !b.w.unfenced && (b.drop.kind == imap || b.drop.kind == pop3 && !b.weak && at != "delete")
		}
		return true
	})
}

// renumber changes all ids, unless that would make it impossible to tell, for
// anybody, what a message is: one that we tried to delete and that is still
// there cannot be told from an equal one that came since. Those that are being
// deleted right now are no excuse, if we live to hear of it.
func (b *box) renumber(now []*letter) {
	absent := make(map[mail.Key]bool)
	for _, e := range b.entries() {
		absent[e.Content] = absent[e.Content] || e.Absent
	}
	for _, l := range b.drop.all() {
		if absent[l.content] && !slices.Contains(now, l) {
			return
		}
	}
	for _, l := range now {
		b.w.note(l.text, func(t *text) { t.unsure = true })
	}
	b.mu.Lock()
	b.renames++
	b.mu.Unlock()
	b.tell("renumbered", "")
	b.drop.renumber()
}

func (b *box) troubled(t *text) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble[t]++
}

func (b *box) wasTroubled(t *text) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trouble[t] > 0
}

func (b *box) down() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.downUntil
}

func (b *box) die(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.downUntil = until
}

func (b *box) delay(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wait = d
}

func (b *box) wants() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wait
}

func (w *world) user(u id.User) *user {
	return w.users[slices.IndexFunc(w.users, func(x *user) bool { return x.id == u })]
}

func (w *world) box(m id.Mailbox) *box {
	return w.boxes[slices.IndexFunc(w.boxes, func(x *box) bool { return x.id == m })]
}
