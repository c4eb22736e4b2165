//go:build !linux

package plugins

import (
	"os/exec"
	"time"
)

// Confined reports whether a worker gives up its rights on this system.
const Confined = false

func apart(*exec.Cmd) {}

// confine does nothing here: the process is another one, with an empty environment.
func confine() error { return nil }

// limitCPU does nothing here: the worker's time limits are what is left.
func limitCPU(int, time.Duration) error { return nil }
