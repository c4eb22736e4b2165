package pages

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"testing"

	"golang.org/x/crypto/xts"
)

func TestSectorsAreThoseOfXTS(t *testing.T) {
	t.Parallel()
	key, text := newKey(), make([]byte, 64*sector)
	rand.Read(text)
	theirs, err := xts.NewCipher(aes.NewCipher, key)
	ok(t, err)
	ours, err := newSectors(key)
	ok(t, err)
	for _, first := range []uint64{0, 1, 1<<32 - 5, 1<<63 - 7} {
		want := bytes.Clone(text)
		for i := range 64 {
			s := want[i*sector:][:sector]
			theirs.Encrypt(s, s, first+uint64(i))
		}
		got := bytes.Clone(text)
		ours.encrypt(got, first)
		if !bytes.Equal(got, want) {
			t.Errorf("encrypted from sector %d on: not what x/crypto/xts makes of it", first)
		}
		ours.decrypt(got, first)
		if !bytes.Equal(got, text) {
			t.Errorf("decrypted from sector %d on: not what was encrypted", first)
		}
	}
}

func BenchmarkEncryptPage(b *testing.B) {
	c, err := newSectors(newKey())
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	for b.Loop() {
		c.encrypt(p, 7)
	}
}
