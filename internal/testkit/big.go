package testkit

import (
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// MinBig is the smallest mail that Big makes.
const MinBig = 1024

// Big streams a mail of exactly size octets (at least MinBig) with CRLF line
// ends, without holding it. Equal sizes and seeds give equal octets. Some of
// its lines begin with a dot.
func Big(size int64, seed uint64) io.Reader {
	if size < MinBig {
		panic(fmt.Sprintf("testkit: a big mail of %d octets", size))
	}
	head := fmt.Sprintf("From: Big Sender <big@old.example>\r\nTo: me@old.example\r\nSubject: big mail of %d octets\r\n"+
		"Date: Tue, 03 Mar 2026 10:00:00 +0000\r\nMessage-ID: <big.%d.%d@old.example>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=us-ascii\r\n\r\n", size, size, seed)
	b := &bigBody{left: size - int64(len(head)), rand: rand.New(rand.NewPCG(seed, 2))}
	for i := range b.stock {
		b.stock[i] = filler[b.rand.IntN(len(filler))]
	}
	return io.MultiReader(strings.NewReader(head), b)
}

const filler = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// bigLine is the length of a line with its end.
const bigLine = 78

// bigBody makes the body line by line. A line is a random number and a random
// stretch of stock, so that no two are equal and few cost much.
type bigBody struct {
	rand  *rand.Rand
	stock [4096]byte
	line  [bigLine]byte
	rest  []byte // of line, not read yet
	left  int64  // not in a line yet
}

func (b *bigBody) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(b.rest) == 0 {
			if b.left == 0 {
				break
			}
			b.next()
		}
		k := copy(p[n:], b.rest)
		b.rest = b.rest[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (b *bigBody) next() {
	n := min(b.left, bigLine)
	if b.left-n == 1 { // one octet is too little for a line end
		n--
	}
	number := b.rand.Uint64()
	var octets [8]byte
	for i := range octets {
		octets[i] = byte(number >> (8 * i))
	}
	copy(b.line[:], b.stock[number%(4096-bigLine):])
	hex.Encode(b.line[:16], octets[:])
	if number%64 == 0 {
		b.line[0] = '.'
	}
	b.rest = append(b.line[:n-2], "\r\n"...)
	b.left -= n
}
