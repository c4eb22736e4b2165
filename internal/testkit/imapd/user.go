package imapd

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// A User owns folders. Its methods may be used by many goroutines, also while
// sessions are open.
type User struct {
	password string

	mu       sync.Mutex
	folders  map[string]*folder
	validity uint32 // the last one given
}

// A folder and its messages. What clients see of changes goes through the
// tracker.
type folder struct {
	validity uint32
	tracker  *imapserver.MailboxTracker

	mu       sync.Mutex
	next     imap.UID
	messages []*message             // by ascending UID
	watchers map[chan struct{}]bool // clients in IDLE
}

// subscribe gives a channel that has something in it after a change.
func (f *folder) subscribe() chan struct{} {
	changed := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watchers == nil {
		f.watchers = map[chan struct{}]bool{}
	}
	f.watchers[changed] = true
	return changed
}

func (f *folder) unsubscribe(changed chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watchers, changed)
}

// changedLocked wakes the clients in IDLE. The tracker knows what to say.
func (f *folder) changedLocked() {
	for w := range f.watchers {
		select {
		case w <- struct{}{}:
		default: // it has been told, and has not looked yet
		}
	}
}

// A message is immutable but for its flags.
type message struct {
	uid  imap.UID
	date time.Time
	size int64
	open func() io.Reader

	flags map[imap.Flag]bool // guarded by folder.mu
}

func (m *message) flagList() []imap.Flag { return slices.Sorted(maps.Keys(m.flags)) }

// AddFolder makes an empty folder, in place of one with that name.
func (u *User) AddFolder(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.validity++
	u.folders[name] = &folder{validity: u.validity, tracker: imapserver.NewMailboxTracker(0), next: 1}
}

func (u *User) folder(name string) *folder {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.folders[name]
}

// Deliver puts a message into a folder, which must exist, and gives its UID.
func (u *User) Deliver(folder string, raw []byte) uint32 {
	return u.DeliverAt(folder, time.Now(), raw)
}

// DeliverAt is Deliver with an INTERNALDATE.
func (u *User) DeliverAt(folder string, received time.Time, raw []byte) uint32 {
	return u.DeliverFrom(folder, received, int64(len(raw)), func() io.Reader { return bytes.NewReader(raw) })
}

// DeliverFrom is DeliverAt for a message that is too large to be kept: open
// gives its octets, always the same.
func (u *User) DeliverFrom(folder string, received time.Time, size int64, open func() io.Reader) uint32 {
	f := u.folder(folder)
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &message{uid: f.next, date: received, size: size, open: open, flags: map[imap.Flag]bool{}}
	f.next++
	f.messages = append(f.messages, m)
	f.tracker.QueueNumMessages(uint32(len(f.messages)))
	f.changedLocked()
	return uint32(m.uid)
}

// UIDs gives what is in the folder.
func (u *User) UIDs(folder string) (uids []uint32) {
	f := u.folder(folder)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		uids = append(uids, uint32(m.uid))
	}
	return uids
}

// Flags gives the flags of a message, nil if it is not there.
func (u *User) Flags(folder string, uid uint32) []string {
	f := u.folder(folder)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.uid == imap.UID(uid) {
			flags := []string{}
			for _, flag := range m.flagList() {
				flags = append(flags, string(flag))
			}
			return flags
		}
	}
	return nil
}

// ClearFlag takes a flag away as another client would.
func (u *User) ClearFlag(folder string, uid uint32, flag string) {
	f := u.folder(folder)
	f.store(imap.UIDSetNum(imap.UID(uid)), nil, func(m *message) { delete(m.flags, imap.Flag(flag)) })
}

// SetFlag sets a flag as another client would.
func (u *User) SetFlag(folder string, uid uint32, flag string) {
	f := u.folder(folder)
	f.store(imap.UIDSetNum(imap.UID(uid)), nil, func(m *message) { m.flags[imap.Flag(flag)] = true })
}

// Remove removes a message as another client would.
func (u *User) Remove(folder string, uid uint32) {
	f := u.folder(folder)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeLocked(func(m *message) bool { return m.uid == imap.UID(uid) })
}

// Renumber gives the folder a new UIDVALIDITY and its messages new UIDs.
// Sessions that have it open go on seeing the old ones.
func (u *User) Renumber(name string) {
	old := u.folder(name)
	old.mu.Lock()
	messages := slices.Clone(old.messages)
	old.mu.Unlock()
	u.AddFolder(name)
	for _, m := range messages {
		u.DeliverFrom(name, m.date, m.size, m.open)
	}
}

// store changes the flags of messages and tells every session but the one
// that asked.
func (f *folder) store(set imap.NumSet, view *imapserver.SessionTracker, change func(*message)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.eachLocked(set, view, func(seq uint32, m *message) {
		change(m)
		f.tracker.QueueMessageFlags(seq, m.uid, m.flagList(), view)
	})
	f.changedLocked()
}

// eachLocked calls do for the messages of a set of UIDs, or of message
// numbers as the session sees them.
func (f *folder) eachLocked(set imap.NumSet, view *imapserver.SessionTracker, do func(seq uint32, m *message)) {
	last := imap.UID(0)
	if n := len(f.messages); n > 0 {
		last = f.messages[n-1].uid
	}
	for i, m := range f.messages {
		seq := uint32(i) + 1
		var in bool
		switch set := set.(type) {
		case imap.UIDSet: // "*" is the last message (RFC 3501 9, seq-number)
			in = set.Contains(m.uid) || m.uid == last && set.Dynamic()
		case imap.SeqSet:
			shown := view.EncodeSeqNum(seq)
			in = shown != 0 && set.Contains(shown)
		}
		if in {
			do(seq, m)
		}
	}
}

// removeLocked removes from the end, so that message numbers stay right.
func (f *folder) removeLocked(which func(*message) bool) {
	for i := len(f.messages) - 1; i >= 0; i-- {
		if which(f.messages[i]) {
			f.messages = slices.Delete(f.messages, i, i+1)
			f.tracker.QueueExpunge(uint32(i) + 1)
		}
	}
	f.changedLocked()
}
