package postgres

import (
	"os/exec"
	"syscall"
)

// attend runs a program as somebody, and ends it (the fast shutdown) when a test
// process dies without stopping it.
func attend(cmd *exec.Cmd, as *syscall.Credential) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT, Credential: as}
}
