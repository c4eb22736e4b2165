package pages

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// sectors encrypts sectors with AES in XTS mode (IEEE 1619), each on its own
// with its number as the tweak. It does what golang.org/x/crypto/xts does in
// half the time: that masks octet by octet, this a sector at a time.
type sectors struct {
	data, tweak cipher.Block
}

// newSectors makes the cipher of a key of KeySize octets.
func newSectors(key []byte) (*sectors, error) {
	data, err := aes.NewCipher(key[:KeySize/2])
	if err != nil {
		return nil, err
	}
	tweak, err := aes.NewCipher(key[KeySize/2:])
	return &sectors{data, tweak}, err
}

// encrypt encrypts p, whole sectors of which the first has number n, in place.
func (c *sectors) encrypt(p []byte, n uint64) { c.each(p, n, c.data.Encrypt) }

func (c *sectors) decrypt(p []byte, n uint64) { c.each(p, n, c.data.Decrypt) }

func (c *sectors) each(p []byte, n uint64, block func(dst, src []byte)) {
	m := buffer(sector)
	defer buffers.Put(m)
	mask := (*m)[:sector]
	for ; len(p) > 0; p = p[sector:] {
		s := p[:sector]
		c.masks(mask, n)
		subtle.XORBytes(s, s, mask)
		for b := s; len(b) > 0; b = b[aes.BlockSize:] {
			block(b[:aes.BlockSize], b[:aes.BlockSize])
		}
		subtle.XORBytes(s, s, mask)
		n++
	}
}

// masks fills mask with the masks of sector n: the encrypted number, and for
// each further block twice the one before, in GF(2^128) modulo
// x^128 + x^7 + x^2 + x + 1.
func (c *sectors) masks(mask []byte, n uint64) {
	first := mask[:aes.BlockSize]
	clear(first)
	binary.LittleEndian.PutUint64(first, n)
	c.tweak.Encrypt(first, first)
	low, high := binary.LittleEndian.Uint64(first), binary.LittleEndian.Uint64(first[8:])
	for b := mask[aes.BlockSize:]; len(b) > 0; b = b[aes.BlockSize:] {
		carry := high >> 63
		high, low = high<<1|low>>63, low<<1^carry*0x87
		binary.LittleEndian.PutUint64(b, low)
		binary.LittleEndian.PutUint64(b[8:], high)
	}
}
