//go:build !linux

package exim

import "os/exec"

// dieWithParent is for Linux; elsewhere a killed test leaves its server behind.
func dieWithParent(*exec.Cmd) {}
