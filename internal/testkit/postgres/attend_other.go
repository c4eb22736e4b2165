//go:build !linux

package postgres

import (
	"os/exec"
	"syscall"
)

// attend runs a program as somebody; here a killed test leaves its server behind.
func attend(cmd *exec.Cmd, as *syscall.Credential) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
}
