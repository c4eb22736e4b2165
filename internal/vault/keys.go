package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Labels of a mailbox's hash keys. They never change: a different key would
// make every message look new.
const (
	idLabel         = "smtp-sync/key/id/v1"
	contentLabel    = "smtp-sync/key/content/v1"
	occurrenceLabel = "smtp-sync/key/occurrence/v1"
	streamLabel     = "smtp-sync/key/stream/v1"
	placeLabel      = "smtp-sync/key/place/v1"
)

// MailboxKeys makes the keyed hashes of one mailbox (bridge.Keys):
// HMAC-SHA-256, cut to 16 octets, under a key of its own for each purpose.
// Without the mailbox's salt nobody can tell what they were made of, not even
// by guessing. It may be used by many goroutines at once.
type MailboxKeys struct {
	id, content, occurrence, place *mac
	stream                         Secret
}

// MailboxKeys gives the hashes of the mailbox that has this salt.
func (k *UserKey) MailboxKeys(salt Secret) *MailboxKeys {
	if len(salt.Reveal()) != keySize {
		panic("vault: a salt is 32 octets")
	}
	key := func(label string) Secret { return deriveSalted(k.fingerprint, salt, label, keySize) }
	return &MailboxKeys{
		id: newMAC(key(idLabel)), content: newMAC(key(contentLabel)), occurrence: newMAC(key(occurrenceLabel)),
		place: newMAC(key(placeLabel)), stream: key(streamLabel),
	}
}

// ID gives the id key of a message that has an identity of its own at its
// source. Its first four octets tell the folder, the next two its UIDVALIDITY,
// both to whoever has the salt alone; the other ten the message.
func (k *MailboxKeys) ID(ref mail.Ref) mail.Key {
	s := k.id.get()
	s.buf = ref.AppendID(s.buf)
	return k.at(ref.Folder, ref.Validity, k.id.sum(s))
}

// at puts the tags of folder and UIDVALIDITY in front of an id key.
func (k *MailboxKeys) at(folder string, validity uint32, id mail.Key) mail.Key {
	s := k.place.get()
	s.buf = append(append(s.buf, 'f'), folder...)
	tag := k.place.sum(s)
	copy(id[:4], tag[:])
	s = k.place.get()
	s.buf = binary.BigEndian.AppendUint32(append(s.buf, 'v'), validity)
	tag = k.place.sum(s)
	copy(id[4:6], tag[:])
	return id
}

// contentFields are the header fields that make up the content key. All of
// them are written before the mail reaches its mailbox, and no server changes
// them when it is moved, fetched again or fetched by another protocol. The
// first Received is the last hop's: it tells two deliveries of one mail apart.
var contentFields = [...]string{"Message-ID", "Date", "From", "Received", "Subject"}

// Content gives the content key of a message. Each field counts unfolded and
// with every run of white space as one space, so that a server may fold a
// header as it likes; the length before each keeps one field's end from
// passing for the next one's beginning. A missing field counts as empty.
func (k *MailboxKeys) Content(h *mail.Header) mail.Key {
	s := k.content.get()
	for _, name := range contentFields {
		at := len(s.buf)
		s.buf = append(s.buf, 0, 0, 0, 0)
		s.buf = appendNormal(s.buf, h.Get(name))
		binary.BigEndian.PutUint32(s.buf[at:], uint32(len(s.buf)-at-4))
	}
	return k.content.sum(s)
}

// appendNormal appends v, trimmed, with every run of white space as one space.
func appendNormal(b []byte, v string) []byte {
	start := len(b)
	space := false
	for i := range len(v) {
		switch c := v[i]; c {
		case ' ', '\t', '\r', '\n':
			space = true
		default:
			if space && len(b) > start {
				b = append(b, ' ')
			}
			space = false
			b = append(b, c)
		}
	}
	return b
}

// Occurrence gives the id key of a message without an identity of its own: the
// n-th in its mailbox with this content, from 0.
func (k *MailboxKeys) Occurrence(content mail.Key, n int) mail.Key {
	s := k.occurrence.get()
	s.buf = append(s.buf, content[:]...)
	s.buf = binary.BigEndian.AppendUint64(s.buf, uint64(n))
	return k.at("", 0, k.occurrence.sum(s)) // POP3 has no folders
}

// Stream gives a running hash of the octets of one message. It is a
// hash.Cloner, so that its value so far can be had without ending it.
func (k *MailboxKeys) Stream() hash.Hash { return hmac.New(sha256.New, k.stream.Reveal()) }

// mac is an HMAC under one key. Its states are reused, because setting one up
// costs as much as hashing a short message.
type mac struct{ pool sync.Pool }

type macState struct {
	h   hash.Hash
	buf []byte // what is hashed; cleared before it goes back
	out [sha256.Size]byte
}

// maxPooled is the largest buffer that is kept; a header may be longer.
const maxPooled = 4 << 10

func newMAC(key Secret) *mac {
	return &mac{pool: sync.Pool{New: func() any {
		return &macState{h: hmac.New(sha256.New, key.Reveal()), buf: make([]byte, 0, 512)}
	}}}
}

func (m *mac) get() *macState { return m.pool.Get().(*macState) }

// sum hashes what is in the buffer and gives the state back to the pool, with
// nothing of the message left in it.
func (m *mac) sum(s *macState) mail.Key {
	_, _ = s.h.Write(s.buf)
	key := mail.Key(s.h.Sum(s.out[:0]))
	s.h.Reset()
	clear(s.buf[:cap(s.buf)])
	if s.buf = s.buf[:0]; cap(s.buf) <= maxPooled {
		m.pool.Put(s)
	}
	return key
}
