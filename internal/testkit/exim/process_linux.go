package exim

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the server when a test process dies without stopping it.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
