package world

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Sample is what the kernel says of a process.
type Sample struct {
	At  time.Time
	CPU time.Duration // user and system, since its start
	RSS float64       // bytes resident
	FDs int
}

// Look asks the kernel about a process.
func Look(pid int) (s Sample, err error) {
	s.At = time.Now()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, fmt.Errorf("only Linux tells of other processes: %w", err)
	}
	if s.CPU, err = cpuOf(string(stat)); err != nil {
		return s, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s, err
	}
	if s.RSS, err = rssOf(string(status)); err != nil {
		return s, err
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	s.FDs = len(fds)
	return s, err
}

// tick is the unit of /proc/*/stat on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpuOf reads utime and stime, the 14th and 15th field; the name before them
// may hold anything (proc(5)).
func cpuOf(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("unknown form of /proc/*/stat")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("unknown form of /proc/*/stat")
	}
	return time.Duration(user+system) * tick, nil
}

func rssOf(status string) (float64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("the process has ended")
}
