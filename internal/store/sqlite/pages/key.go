package pages

import (
	"crypto/rand"
	"errors"
	"sync"
)

// KeySize is that of two AES-256 keys, as XTS needs them.
const KeySize = 64

// ciphers holds the ciphers of open databases by the name in their URI.
var ciphers sync.Map // string -> *sectors

// Key makes a key known for as long as databases are opened with it, and gives
// the parameters for their URI and what to call in the end.
func Key(key []byte) (params string, forget func(), err error) {
	if len(key) != KeySize {
		return "", nil, errors.New("pages: a key has 64 octets")
	}
	c, err := newSectors(key)
	if err != nil {
		return "", nil, err
	}
	name := rand.Text()
	ciphers.Store(name, c)
	return "vfs=" + vfsName + "&" + keyParam + "=" + name, func() { ciphers.Delete(name) }, nil
}

func lookUp(params map[string][]string) *sectors {
	if names := params[keyParam]; len(names) == 1 {
		if c, ok := ciphers.Load(names[0]); ok {
			return c.(*sectors)
		}
	}
	return nil
}

// passing makes a cipher for a file without a name, which ends with its handle.
func passing() *sectors {
	key := make([]byte, KeySize)
	rand.Read(key)
	c, err := newSectors(key)
	if err != nil {
		panic("pages: " + err.Error())
	}
	return c
}
