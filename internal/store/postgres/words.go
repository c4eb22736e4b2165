package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// words are those of one mailbox's log: how they are hashed, and of which it is
// known what they are and since when they are there.
type words struct {
	macs sync.Pool // of hash.Hash

	mu    sync.Mutex
	texts map[int64]string
	days  map[int64]int32 // when a word was last written down
}

const (
	wordLabel = "smtp-sync/words/v1"
	mostWords = 2000 // kept in memory for one mailbox
)

func (k *boxKeys) init() {
	key := k.Derive(wordLabel)
	k.words.macs.New = func() any { return hmac.New(sha256.New, key.Reveal()) }
	k.words.texts, k.words.days = map[int64]string{}, map[int64]int32{}
}

// word gives the hash by which a line of the log names a word; 0 for none.
func (k *boxKeys) word(text string) int64 {
	if text == "" {
		return 0
	}
	h := k.words.macs.Get().(hash.Hash)
	defer k.words.macs.Put(h)
	h.Reset()
	h.Write([]byte(text))
	var sum [sha256.Size]byte
	n := int64(binary.BigEndian.Uint64(h.Sum(sum[:0])))
	if n == 0 {
		n = 1
	}
	return n
}

func wordPlace(user id.User, box id.Mailbox, hash int64) vault.Place {
	return vault.Place{Table: "words", Column: "word", Row: string(binary.BigEndian.AppendUint64(box[:], uint64(hash))), User: user}
}

// unknown gives those of the texts that were not written down on this day yet,
// as far as is known here.
func (k *boxKeys) unknown(user id.User, box id.Mailbox, day int32, texts ...string) (out []word) {
	for _, text := range texts {
		h := k.word(text)
		k.words.mu.Lock()
		seen := k.words.days[h]
		k.words.mu.Unlock()
		if h != 0 && seen < day {
			out = append(out, word{h, day, k.Sealer.Seal(wordPlace(user, box, h), vault.NewSecret(text))})
		}
	}
	return out
}

// learn notes words that were committed.
func (k *boxKeys) learn(ws []word) {
	k.words.mu.Lock()
	defer k.words.mu.Unlock()
	for _, w := range ws {
		if len(k.words.days) >= mostWords {
			clear(k.words.days)
		}
		k.words.days[w.hash] = w.day
	}
}

// open opens a sealed word.
func (k *boxKeys) open(user id.User, box id.Mailbox, hash int64, sealed []byte) (string, error) {
	text, err := k.Sealer.Open(wordPlace(user, box, hash), sealed)
	if err != nil {
		return "", err
	}
	k.words.mu.Lock()
	defer k.words.mu.Unlock()
	if len(k.words.texts) >= 2*mostWords {
		clear(k.words.texts)
	}
	k.words.texts[hash] = text.RevealString()
	return text.RevealString(), nil
}

// ofDomain gives the hashes of a mailbox's words that a filter wants: a domain,
// and those below it if below is not empty.
func (s *Store) ofDomain(ctx context.Context, p *person, box id.Mailbox, n int32, wants func(string) bool) (out []int64, err error) {
	k, err := s.keysOf(ctx, p, box)
	if err != nil {
		return nil, err
	}
	var rows []userdb.AllWordsRow
	err = s.once(ctx, p.user, func(ctx context.Context, q *userdb.Queries) (err error) {
		rows, err = q.AllWords(ctx, n)
		return err
	})
	for _, r := range rows {
		text, openErr := k.open(p.user, box, r.Hash, r.Word)
		if openErr != nil {
			return nil, openErr
		}
		if wants(text) {
			out = append(out, r.Hash)
		}
	}
	return out, err
}

// wordsOf gives what words say.
func (s *Store) wordsOf(ctx context.Context, p *person, box id.Mailbox, n int32, hashes map[int64]bool) (map[int64]string, error) {
	k, err := s.keysOf(ctx, p, box)
	if err != nil {
		return nil, err
	}
	out, missing := make(map[int64]string, len(hashes)), []int64{}
	k.words.mu.Lock()
	for h := range hashes {
		if text, known := k.words.texts[h]; known {
			out[h] = text
		} else {
			missing = append(missing, h)
		}
	}
	k.words.mu.Unlock()
	if len(missing) == 0 {
		return out, nil
	}
	var rows []userdb.WordsRow
	err = s.once(ctx, p.user, func(ctx context.Context, q *userdb.Queries) (err error) {
		rows, err = q.Words(ctx, userdb.WordsParams{Mailbox: n, Hashes: missing})
		return err
	})
	for _, r := range rows {
		if out[r.Hash], err = k.open(p.user, box, r.Hash, r.Word); err != nil {
			return nil, err
		}
	}
	return out, err
}
