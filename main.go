// Command smtp-sync brings mail from POP3 and IMAP mailboxes into Gmail,
// exactly once, and stores none of it.
package main

import (
	"os"

	"github.com/smtp-sync/smtp-sync/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
