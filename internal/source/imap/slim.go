package imap

import (
	"bytes"
	"crypto/tls"
	"net"
	"reflect"
)

// slim gives back the memory in which a tls.Conn keeps the largest record and
// the largest handshake message that it has seen: 18 KB after one full record
// and some more for certificates, as long as the connection lives, which for
// one that waits for mail is days. crypto/tls has no way to say so; both
// buffers are empty between two records, so they are replaced by empty ones.
// Where a later Go has other fields nothing happens, but memory is used.
//
// Nobody may be reading from the connection.
func slim(conn net.Conn) {
	c, ok := conn.(*tls.Conn)
	if !ok {
		return
	}
	for _, name := range []string{"rawInput", "hand"} {
		field := reflect.ValueOf(c).Elem().FieldByName(name)
		if !field.IsValid() || field.Type() != reflect.TypeFor[bytes.Buffer]() {
			continue
		}
		if b := (*bytes.Buffer)(field.Addr().UnsafePointer()); b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}
