//go:build !linux

package dovecot

import "os/exec"

// Host is where every server is reached; other systems have no 127.0.0.2.
const Host = "127.0.0.1"

// dieWithParent is for Linux; elsewhere a killed test leaves its server behind.
func dieWithParent(*exec.Cmd) {}
