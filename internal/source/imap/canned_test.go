package imap

import (
	"io"
	"net"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// canned is a connection to a server that does not listen.
type canned struct {
	net.Conn // nil: nothing else is used
	io.Reader
	sent strings.Builder
}

func (c *canned) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c *canned) Write(p []byte) (int, error) { return c.sent.Write(p) }

func secret(s string) vault.Secret { return vault.NewSecret(s) }
