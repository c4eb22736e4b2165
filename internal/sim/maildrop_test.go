package sim

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// kind of mailbox.
type kind int

const (
	pop3     kind = iota // with unique-ids
	nameless             // POP3 without
	imap
)

func (k kind) String() string { return [...]string{"pop3", "nameless", "imap"}[k] }

// text is one message's octets, with the books that the oracle keeps about it.
// Equal mails are several letters with one text. It is guarded by world.mu.
type text struct {
	name    string
	raw     string
	content mail.Key // of its header, with the mailbox's keys
	box     *box
	poison  bool // Gmail will never take it
	stuck   bool // the mail server never hands it out
	weak    bool // the header tells little: neither Message-ID nor Received
	unsure  bool // renumbered while it was, or may have been, being deleted
	books
}

// books count what became of a text.
type books struct {
	ever    int       // letters that there ever were
	removed int       // of these, by their owner
	deleted int       // and by us
	copies  int       // in Gmail
	first   time.Time // when the first of these came
	spare   int       // of these, that nobody can be blamed for
	skips   int       // times that a rule said skip
	kept    int       // and that none did, or could be asked
}

// letter is one message in a maildrop.
type letter struct {
	*text
	uid     uint32
	uidl    string
	seen    bool
	arrived time.Time
}

// folder of a maildrop; POP3 has one without a name.
type folder struct {
	name     string
	validity uint32
	next     uint32
	letters  []*letter
}

// maildrop is the content of a remote mailbox, guarded by its own lock.
type maildrop struct {
	mu      sync.Mutex
	kind    kind
	folders []*folder
	renames int
	changed chan struct{} // closed, and made anew, when mail comes
	holder  *session      // POP3: whose session has the lock
	used    time.Time     // when he last did something
}

func newMaildrop(k kind, folders ...string) *maildrop {
	d := &maildrop{kind: k, changed: make(chan struct{})}
	for _, name := range folders {
		d.folders = append(d.folders, &folder{name: name, validity: 7, next: 1})
	}
	return d
}

// put brings a letter.
func (d *maildrop) put(folder int, t *text, seen bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.folders[folder%len(d.folders)]
	f.letters = append(f.letters, &letter{text: t, uid: f.next, uidl: fmt.Sprintf("u%d.%d", d.renames, f.next), seen: seen, arrived: time.Now()})
	f.next++
	close(d.changed)
	d.changed = make(chan struct{})
}

// news gives what is closed when the next letter comes.
func (d *maildrop) news() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// renumber gives all letters other ids: UIDVALIDITY changes, or every UIDL.
func (d *maildrop) renumber() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renames++
	for _, f := range d.folders {
		f.validity++
		f.next = 1
		for _, l := range f.letters {
			l.uid, l.uidl = f.next, fmt.Sprintf("u%d.%d", d.renames, f.next)
			f.next++
		}
	}
}

// pick gives a letter that fits, or nil.
func (d *maildrop) pick(r *rand.Rand, fits func(*letter) bool) *letter {
	d.mu.Lock()
	defer d.mu.Unlock()
	var may []*letter
	for _, f := range d.folders {
		for _, l := range f.letters {
			if fits(l) {
				may = append(may, l)
			}
		}
	}
	if len(may) == 0 {
		return nil
	}
	return may[r.IntN(len(may))]
}

// take takes letters out and gives those that were there.
func (d *maildrop) take(letters ...*letter) (took []*letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.folders {
		f.letters = slices.DeleteFunc(f.letters, func(l *letter) bool {
			hit := slices.Contains(letters, l)
			if hit {
				took = append(took, l)
			}
			return hit
		})
	}
	return took
}

// all gives the letters that are there.
func (d *maildrop) all() (all []*letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.folders {
		all = append(all, f.letters...)
	}
	return all
}

// seal finds a text by what Gmail has got.
type seal [sha256.Size]byte

// idOf makes an id that is the same in every run.
func idOf(name string) [16]byte {
	s := sealOf(name)
	return [16]byte(s[:16])
}

func sealOf(raw string) seal { return sha256.Sum256([]byte(raw)) }

// write makes a message of about size octets that no other is equal to.
func write(box string, n, size int, weak bool, at time.Time) string {
	var head strings.Builder
	if !weak {
		fmt.Fprintf(&head, "Received: from a.example by b.example; id %s-%d\r\nMessage-ID: <%d.%s@a.example>\r\n", box, n, n, box)
	}
	fmt.Fprintf(&head, "From: someone@a.example\r\nDate: %s\r\nSubject: %s %d\r\n\r\n", at.Format(time.RFC1123Z), box, n)
	line := fmt.Sprintf("%s %d: all work and no play\r\n", box, n)
	return head.String() + strings.Repeat(line, max(1, (size-head.Len())/len(line)))
}

// header parses the header section of a letter.
func (t *text) header() *mail.Header {
	return mail.ParseHeader([]byte(t.raw[:mail.HeaderEnd([]byte(t.raw[:min(len(t.raw), 1024)]))]))
}
