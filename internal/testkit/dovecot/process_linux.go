package dovecot

import (
	"os/exec"
	"syscall"
)

// Host is where every server is reached (the package comment says why).
const Host = "127.0.0.2"

// dieWithParent ends the server when a test process dies without stopping it.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
