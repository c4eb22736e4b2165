package testkit

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// Canary is a random marker that is put into mail and must be found nowhere
// afterwards, in none of the forms in which mail or programs might hold it.
type Canary struct {
	marker string
	forms  []form
}

type form struct {
	name   string
	octets []byte
}

// NewCanary makes a marker that is in no other mail. Its text is of lower
// case letters only, so that no header or file name changes it.
func NewCanary() *Canary {
	c := &Canary{marker: "canary" + strings.ToLower(rand.Text())}
	plain := []byte(c.marker)
	c.forms = []form{
		{"plain", plain},
		{"upper case", bytes.ToUpper(plain)},
		{"quoted-printable", quotedPrintable(plain)},
		{"hex", []byte(hex.EncodeToString(plain))},
		{"UTF-16LE", utf16Octets(c.marker, binary.LittleEndian)},
		{"UTF-16BE", utf16Octets(c.marker, binary.BigEndian)},
	}
	for shift := range 3 { // base64 depends on where in a group of three octets the marker starts
		c.forms = append(c.forms, form{fmt.Sprintf("base64 at %d", shift), base64Inside(plain, shift)})
	}
	return c
}

// String gives the marker itself.
func (c *Canary) String() string { return c.marker }

// Message makes a mail of about size octets full of the marker: in subject,
// display name, attachment name, and in the body in every form.
func (c *Canary) Message(size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s <sender@canary.example>\r\nTo: %s@old.example\r\nSubject: %s\r\nDate: Tue, 03 Mar 2026 10:00:00 +0000\r\n"+
		"Message-ID: <%s@canary.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n", c.marker, c.marker, c.marker, c.marker)
	part := func(encoding string) {
		fmt.Fprintf(&b, "--B\r\nContent-Type: text/plain; name=\"%s.txt\"\r\nContent-Transfer-Encoding: %s\r\n"+
			"Content-Disposition: attachment; filename=\"%s.txt\"\r\n\r\n", c.marker, encoding, c.marker)
	}
	part("8bit")
	for b.Len() < size {
		for _, f := range c.forms {
			b.Write(f.octets)
			b.WriteString("\r\n")
		}
	}
	part("base64")
	b.WriteString(base64.StdEncoding.EncodeToString([]byte(c.marker)) + "\r\n")
	part("quoted-printable")
	b.Write(quotedPrintable([]byte(c.marker)))
	b.WriteString("\r\n--B--\r\n")
	return b.Bytes()
}

// Find names the forms of the marker that are in data.
func (c *Canary) Find(data []byte) []string {
	var found []string
	for _, f := range c.forms {
		if bytes.Contains(data, f.octets) {
			found = append(found, f.name)
		}
	}
	return found
}

// FindIn looks through every file under dir and through their names, and
// gives "path: form" for each find. Files that vanish meanwhile are passed over.
func (c *Canary) FindIn(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range c.Find([]byte(d.Name())) {
			found = append(found, path+": name, "+name)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		forms, err := c.findInFile(path)
		for _, name := range forms {
			found = append(found, path+": "+name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return found, err
}

// findInFile reads in overlapping windows, so that a file may be of any size
// and a marker may lie anywhere in it.
func (c *Canary) findInFile(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const overlap = 512 // no form is longer
	window := make([]byte, 0, 1<<20)
	seen := map[string]bool{}
	var found []string
	for {
		n, err := io.ReadFull(f, window[len(window):cap(window)])
		window = window[:len(window)+n]
		for _, name := range c.Find(window) {
			if !seen[name] {
				seen[name] = true
				found = append(found, name)
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		window = window[:copy(window, window[len(window)-overlap:])]
	}
}

func quotedPrintable(b []byte) []byte {
	var out bytes.Buffer
	for _, c := range b {
		fmt.Fprintf(&out, "=%02X", c)
	}
	return out.Bytes()
}

func utf16Octets(s string, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

// base64Inside gives the digits that depend on b alone when shift octets of
// something else stand before it in its group of three, and anything after it.
func base64Inside(b []byte, shift int) []byte {
	digits := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), b...))
	first := (shift*8 + 5) / 6
	last := (shift + len(b)) * 8 / 6
	return []byte(digits[first:last])
}
