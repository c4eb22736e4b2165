package vault

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	keySize       = 32 // AES-256, and every other key here
	masterIDLabel = "smtp-sync/master-id/v1\x00"
	masterSetting = "SMTPSYNC_MASTER_KEY"
	masterHelp    = "make one with `smtp-sync keys generate`"
)

// keyID names a key without telling anything about it.
type keyID [4]byte

func (i keyID) String() string { return hex.EncodeToString(i[:]) }

func newKeyID(label string, key []byte) keyID {
	h := sha256.New()
	h.Write([]byte(label))
	h.Write(key)
	return keyID(h.Sum(nil))
}

// MasterKeys are the loaded master keys, newest first: the first wraps, all
// unwrap. Never empty.
type MasterKeys struct{ keys []master }

type master struct {
	id   keyID
	aead cipher.AEAD
}

// GenerateMaster makes a new master key in the form of the setting.
func GenerateMaster() Secret {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	defer clear(key)
	return NewSecret(base64.StdEncoding.EncodeToString(key))
}

// ParseMasterKeys reads the setting: 32 octets in base64 each, separated by
// commas, newest first.
func ParseMasterKeys(setting Secret) (*MasterKeys, error) {
	return parseMasters(masterSetting, setting)
}

// parseMasters reads a list of keys that came from where.
func parseMasters(where string, list Secret) (*MasterKeys, error) {
	if list.Empty() {
		return nil, masterFault(where+" holds no key", masterHelp)
	}
	m := &MasterKeys{}
	for i, text := range strings.Split(list.RevealString(), ",") {
		name := fmt.Sprintf("key %d of %s", i+1, where)
		key, err := parseMaster(name, text)
		if err != nil {
			return nil, err
		}
		id := newKeyID(masterIDLabel, key)
		for j, k := range m.keys {
			if k.id == id {
				return nil, masterFault(fmt.Sprintf("%s is key %d again", name, j+1), "remove one of the two")
			}
		}
		m.keys = append(m.keys, master{id, newAEAD(key)})
		clear(key)
	}
	return m, nil
}

func parseMaster(name, text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	// What is accepted encodes back to the same: no line breaks, no stray bits.
	if err != nil || base64.StdEncoding.EncodeToString(key) != text {
		return nil, masterFault(name+" is not plain base64", masterHelp+"; separate several by commas without spaces")
	}
	if len(key) != keySize {
		return nil, masterFault(fmt.Sprintf("%s is %d octets long instead of %d", name, len(key), keySize), masterHelp)
	}
	if why := weak(key); why != "" {
		return nil, masterFault(name+" "+why, masterHelp)
	}
	return key, nil
}

// weak says what shows that a key was not drawn at random, else "". A random
// key is refused less than once in 10^12 times.
func weak(key []byte) string {
	var seen [256]bool
	distinct, text, steps := 0, true, true
	for i, b := range key {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
		text = text && (b >= ' ' && b <= '~' || b >= '\t' && b <= '\r')
		steps = steps && (i < 2 || b-key[i-1] == key[1]-key[0])
	}
	switch {
	case distinct == 1:
		return "is one octet repeated, not random"
	case text:
		return "is text, not random"
	case distinct <= keySize/2 || steps:
		return "is a pattern, not random"
	}
	return ""
}

// IDs names the loaded keys, newest first.
func (m *MasterKeys) IDs() []string {
	ids := make([]string, len(m.keys))
	for i, k := range m.keys {
		ids[i] = k.id.String()
	}
	return ids
}

func masterFault(text, help string) *mail.Fault {
	return &mail.Fault{Class: mail.Setup, Code: "master_key", Text: text, Help: help}
}
