package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Exit codes of the contract.
const (
	exitDone = iota
	exitUndone
	exitUsage
	exitLogin
	exitGrant
	exitInterrupted = 130
)

// usageError is a mistake on the command line.
type usageError struct{ error }

// undone says that the command ran and left something; it has been said already.
type undone struct{ what string }

func (u undone) Error() string { return u.what }

// fail prints the one line and gives the exit code.
func fail(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(stderr, "smtp-sync: "+strings.TrimRight(line, "\n"))
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var faults config.Faults
	switch {
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, errTerminated), errors.Is(err, ledger.ErrFenced):
		return exitUndone
	case errors.As(err, &faults), errors.As(err, new(usageError)):
		return exitUsage
	}
	f, ok := mail.AsFault(err)
	if !ok {
		return exitUndone
	}
	switch f.Class {
	case mail.Login:
		return exitLogin
	case mail.Grant, mail.Revoked:
		return exitGrant
	case mail.Setup:
		if strings.HasPrefix(f.Code, "tls_") || f.Code == "dns" || f.Code == "unreachable" {
			return exitUndone // the mailbox's fault, or the network's
		}
		return exitUsage
	}
	return exitUndone
}
